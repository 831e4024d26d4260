/** Whether two arrays have the same bytes: for lists too long to compare item by item. */
export function isEqual(a: Uint32Array, b: Uint32Array): boolean {
  const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array) => new Uint8Array(buffer, byteOffset, byteLength)
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0
}
