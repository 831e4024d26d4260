/** Adds 1 to timesKept of each sample whose bit is set; it stays at 65,535. The last eight may reach into what pads the column. */
export function countKept(bits: usize, timesKept: usize, n: u32): void {
  const places = i16x8(1, 2, 4, 8, 16, 32, 64, 128)
  for (let i: u32 = 0; i < n; i += 8) {
    const eight = v128.and(i16x8.splat(<i16>load<u8>(bits + (i >>> 3))), places)
    const kept = i16x8.eq(eight, places)
    const address = timesKept + (<usize>i << 1)
    v128.store(address, i16x8.add_sat_u(v128.load(address), i16x8.shr_u(kept, 15)))
  }
}

/** Writes the indices of the set bits among the first n, ascending. Returns how many there are. */
export function expand(bits: usize, n: u32, indices: usize): u32 {
  let end = indices
  for (let i: u32 = 0; i < n; i += 32) {
    for (let word = load<u32>(bits + (i >>> 3)); word !== 0; word &= word - 1) {
      store<u32>(end, i + ctz(word))
      end += 4
    }
  }
  return <u32>(end - indices) >>> 2
}

/** Writes 0 to n - 1. */
export function iota(indices: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) store<u32>(indices + (<usize>i << 2), i)
}
