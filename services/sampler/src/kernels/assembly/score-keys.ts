// Keys as in core/selection/score-keys.ts, but in signed order (the top bit is flipped), which SIMD compares in one instruction.

/** Key of a sample that has no loss yet: above the key of every score. */
const UNSEEN_KEY = i32.MAX_VALUE

/** The key of one sample. */
export function keyAt(mean: usize, variance: usize, observations: usize, c: f32, index: u32): i32 {
  if (load<u16>(observations + (<usize>index << 1)) === 0) return UNSEEN_KEY
  const offset = <usize>index << 2
  const score: f32 = load<f32>(mean + offset) + c * load<f32>(variance + offset)
  const bits = reinterpret<i32>(score + <f32>0) // -0 becomes 0, so that they tie
  return bits ^ ((bits >> 31) & i32.MAX_VALUE)
}

/** The keys of four samples; `unseen` has all ones in the lanes of those without a loss. `offset` is in bytes of an f32 column. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function fourKeys(mean: usize, variance: usize, offset: usize, c: v128, unseen: v128): v128 {
  const score = f32x4.add(v128.load(mean + offset), f32x4.mul(c, v128.load(variance + offset)))
  const bits = f32x4.add(score, f32x4.splat(0))
  const largest = i32x4.splat(UNSEEN_KEY)
  const keys = v128.xor(bits, v128.and(i32x4.shr_s(bits, 31), largest))
  return v128.bitselect(largest, keys, unseen)
}

/** All ones in each 16-bit lane of eight samples that have no loss. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function eightUnseen(observations: usize, index: u32): v128 {
  return i16x8.eq(v128.load(observations + (<usize>index << 1)), i16x8.splat(0))
}
