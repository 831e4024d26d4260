import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Lifeline } from './lifeline.js'

const GREETING = { instance: 'one', version: '1.2.3' }

async function start(firstHolderSeconds?: number): Promise<Lifeline> {
  const lifeline = await Lifeline.start('127.0.0.1:0', GREETING, firstHolderSeconds)
  onTestFinished(() => lifeline.end())
  return lifeline
}

function dial(address: string): Socket {
  const socket = connect(Number(address.split(':').at(-1)), '127.0.0.1')
  onTestFinished(() => {
    socket.destroy()
  })
  return socket
}

/** A holder that has been greeted. */
async function hold(lifeline: Lifeline): Promise<Socket> {
  const socket = dial(lifeline.address)
  const [greeting] = await once(socket.setEncoding('utf8'), 'data')
  expect(greeting).toBe('{"instance":"one","version":"1.2.3"}\n')
  return socket
}

/** Whether the lifeline still takes holders, which it does not once it is abandoned. */
async function takes(lifeline: Lifeline): Promise<boolean> {
  const socket = dial(lifeline.address)
  return once(socket, 'data').then(
    () => Boolean(socket.destroy()),
    () => false,
  )
}

test('is abandoned when the last of several holders is gone, and takes no more then', async () => {
  const lifeline = await start()
  const [first, second] = [await hold(lifeline), await hold(lifeline)]
  first.destroy()
  await once(first, 'close')
  const third = await hold(lifeline)
  second.destroy()
  await once(second, 'close')
  expect(await takes(lifeline)).toBe(true)
  third.destroy()
  expect(await lifeline.abandoned).toBe('the last holder is gone')
  expect(await takes(lifeline)).toBe(false)
})

test.each([
  ['resets the connection', (socket: Socket) => socket.resetAndDestroy()],
  ['only says that it will send no more', (socket: Socket) => socket.end()],
])('a holder that %s is gone', async (_, leave) => {
  const lifeline = await start()
  leave(await hold(lifeline))
  expect(await lifeline.abandoned).toBe('the last holder is gone')
})

test('a holder that sends much garbage holds until it leaves', async () => {
  const lifeline = await start()
  const socket = await hold(lifeline)
  for (let i = 0; i < 64; i++) {
    if (!socket.write(Buffer.alloc(64 * 1024, i))) await once(socket, 'drain')
  }
  await hold(lifeline).then((other) => other.destroy())
  expect(await takes(lifeline)).toBe(true)
  socket.destroy()
  expect(await lifeline.abandoned).toBe('the last holder is gone')
})

test('is abandoned when nobody comes in time', async () => {
  const lifeline = await start(0.01)
  expect(await lifeline.abandoned).toBe('nobody connected within 0.01 s')
  expect(await takes(lifeline)).toBe(false)
})

test('close takes no more holders and keeps those that are there; end cuts them off', async () => {
  const lifeline = await start()
  const socket = await hold(lifeline)
  lifeline.close()
  expect(await takes(lifeline)).toBe(false)
  expect(socket.destroyed).toBe(false)
  lifeline.end()
  await once(socket, 'close')
})

test('an address in use is named', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => {
    other.close()
  })
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  await expect(Lifeline.start(`127.0.0.1:${port}`, GREETING)).rejects.toThrow(
    `cannot listen on 127.0.0.1:${port} (--lifeline)`,
  )
})
