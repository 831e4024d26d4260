import { fileURLToPath } from 'node:url'
import { LineChild } from './line-child.js'

/** The bare server, in a process of its own. */
export class BareProcess {
  readonly address: string
  readonly tcpPort: number
  readonly #child: LineChild

  private constructor(child: LineChild, { grpc, tcpPort }: { grpc: string; tcpPort: number }) {
    this.#child = child
    this.address = grpc
    this.tcpPort = tcpPort
  }

  static async start(): Promise<BareProcess> {
    const child = new LineChild(process.execPath, [
      '--import',
      'tsx',
      fileURLToPath(import.meta.resolve('./bare-server.ts')),
    ])
    return new BareProcess(child, await child.read())
  }

  stop(): Promise<void> {
    return this.#child.close()
  }
}
