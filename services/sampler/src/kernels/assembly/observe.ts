import { OBSERVED_COUNTS } from './scratch'

/**
 * Takes in the losses of a report as `Run` does, with `observe` of core/statistics/sample-statistics.ts: only finite ones, and of a
 * sample only the first since the bits of `observed` were cleared. Leaves three u32 at OBSERVED_COUNTS: observations, losses that are
 * not finite, repeats.
 */
export function observe(
  mean: usize, variance: usize, lastLoss: usize, observations: usize, observed: usize,
  indices: usize, losses: usize, count: u32, alpha: f32, startsAtFirstLoss: bool,
): void {
  const beta: f32 = 1 - alpha
  let taken: u32 = 0
  let nonFinite: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const loss = load<f32>(losses + (<usize>i << 2))
    if (!isFinite<f32>(loss)) {
      nonFinite++
      continue
    }
    const index = load<u32>(indices + (<usize>i << 2))
    const place = observed + (index >>> 3)
    const byte = load<u8>(place)
    const bit: u8 = 1 << (<u8>index & 7)
    if ((byte & bit) !== 0) continue
    store<u8>(place, byte | bit)
    taken++
    const column = <usize>index << 2
    const seenAt = observations + (<usize>index << 1)
    const seen = load<u16>(seenAt)
    if (seen < u16.MAX_VALUE) store<u16>(seenAt, seen + 1)
    store<f32>(lastLoss + column, loss)
    if (seen === 0 && startsAtFirstLoss) {
      store<f32>(mean + column, loss)
      continue
    }
    const oldMean = load<f32>(mean + column)
    const d = loss - oldMean
    const newVariance = beta * load<f32>(variance + column) + alpha * (d * d)
    store<f32>(variance + column, min<f32>(newVariance, f32.MAX_VALUE))
    store<f32>(mean + column, beta * oldMean + alpha * loss)
  }
  store<u32>(OBSERVED_COUNTS, taken)
  store<u32>(OBSERVED_COUNTS, nonFinite, 4)
  store<u32>(OBSERVED_COUNTS, count - taken - nonFinite, 8)
}
