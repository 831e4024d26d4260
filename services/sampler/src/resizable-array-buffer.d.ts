/** Part of ES2024 that Node 20 has; the rest of it, it has not. */
interface ArrayBuffer {
  /** At most the greatest length; what is cut off goes back to the system at once. */
  resize(byteLength: number): void
}

interface ArrayBufferConstructor {
  new (byteLength: number, options: { readonly maxByteLength: number }): ArrayBuffer
}
