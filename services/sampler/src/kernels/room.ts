const PAGE_BYTES = 0x10000

/** What was worked in last, for the next time: a fresh memory costs more than the shuffle of a million samples. It goes with its thread. */
let memory: WebAssembly.Memory | undefined

/** A memory of at least so many bytes, whatever is in it. It is everybody's in this thread: nothing may be left in it. */
export function roomOf(bytes: number): WebAssembly.Memory {
  if (memory && memory.buffer.byteLength >= bytes) return memory
  const pages = Math.ceil(bytes / PAGE_BYTES)
  memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  return memory
}

/** The next place that is aligned for the kernels. */
export const aligned = (bytes: number) => 16 * Math.ceil(bytes / 16)

/** Columns of whom none are there. */
export const noColumns = { mean: 0, variance: 0, lastLoss: 0, observations: 0, timesKept: 0 }
