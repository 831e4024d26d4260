import { createConnection, createServer, type Socket } from 'node:net'

/** Where a connection breaks: after `afterBytes` bytes in one direction, mid-message. */
export interface Cut {
  readonly afterBytes: number
  /**
   * `up`, to the server: what follows never reaches it. `down`, to the client: what follows never reaches that, although the server has
   * done what the lost answer says.
   */
  readonly direction: 'up' | 'down'
  /** With RST, or with FIN. */
  readonly reset: boolean
}

/** A TCP proxy in front of a server that breaks connections. */
export interface CuttingProxy {
  readonly address: string
  /** Connections broken so far. */
  readonly cutCount: number
  stop(): Promise<void>
}

/** Starts a proxy to `target` (host:port); `nextCut` is asked once for each connection, undefined lets it live. */
export async function startCuttingProxy(target: string, nextCut: () => Cut | undefined): Promise<CuttingProxy> {
  const [host, port] = target.split(':')
  const open = new Set<Socket>()
  let cutCount = 0

  const server = createServer({ noDelay: true }, (down) => {
    const up = createConnection({ host, port: Number(port), noDelay: true })
    const cut = nextCut()
    const end = (socket: Socket) => (cut?.reset ? socket.resetAndDestroy() : socket.destroy())
    const endBoth = () => {
      end(up)
      end(down)
    }
    const forward = (direction: Cut['direction'], from: Socket, to: Socket) => {
      let room = cut?.direction === direction ? cut.afterBytes : Number.POSITIVE_INFINITY
      open.add(from)
      from.on('error', () => {}) // 'close' follows and tells all that matters.
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
      from.on('data', (bytes) => {
        if (bytes.length > room) {
          cutCount++
          // What was let through still has to arrive, or cuts would be no finer than TCP's buffers.
          to.write(bytes.subarray(0, room), endBoth)
          from.pause()
          return
        }
        room -= bytes.length
        if (!to.write(bytes)) {
          from.pause()
          to.once('drain', () => from.resume())
        }
      })
    }
    forward('up', down, up)
    forward('down', up, down)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy is not bound')
  return {
    address: `127.0.0.1:${address.port}`,
    get cutCount() {
      return cutCount
    },
    stop: async () => {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
