import { createHash } from 'node:crypto'
import type { ByteStream } from '../ports.js'
import { EXPORT_MAGIC, EXPORT_VERSION, type ExportHeader } from './export-format.js'

/** An export in pieces of at most 1 MB. `images` are that of the run, then those of the header's epoch starts. */
export async function* writeExport(
  header: ExportHeader,
  images: AsyncIterable<ByteStream> | Iterable<ByteStream>,
): AsyncGenerator<Uint8Array, void, void> {
  const digest = createHash('sha256')
  for await (const piece of body(header, images)) {
    digest.update(piece)
    yield piece
  }
  yield digest.digest()
}

async function* body(header: ExportHeader, images: AsyncIterable<ByteStream> | Iterable<ByteStream>) {
  const json = Buffer.from(JSON.stringify(header))
  const start = Buffer.alloc(EXPORT_MAGIC.length + 8)
  start.write(EXPORT_MAGIC, 'latin1')
  start.writeUInt32LE(EXPORT_VERSION, EXPORT_MAGIC.length)
  start.writeUInt32LE(json.length, EXPORT_MAGIC.length + 4)
  yield Buffer.concat([start, json])
  for await (const image of images) yield* image
}
