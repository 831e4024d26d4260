import hashWasm from 'hash-wasm'

/** The polynomial of CRC32C (Castagnoli), reflected. */
const hasher = await hashWasm.createCRC32(0x82f63b78)

/** CRC32C of the pieces, one after the other. */
export function crc32c(...pieces: readonly Uint8Array[]): number {
  hasher.init()
  for (const piece of pieces) hasher.update(piece)
  const digest = hasher.digest('binary')
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0)
}
