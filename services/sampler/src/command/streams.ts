import type { Readable, Writable } from 'node:stream'

/** Where a command reads and writes: the streams of its process. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
}

/** Writes text and the end of its line. */
export function printLine(output: Writable, text: string): void {
  output.write(`${text}\n`)
}
