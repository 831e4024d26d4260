import type { StatisticsColumns } from '../statistics/statistics-columns.js'

/** Key of a sample that has no loss yet: above the key of every score, +infinity included. */
const UNSEEN_KEY = 0xffffffff

/**
 * One u32 a sample that sorts like its score: unseen samples first (largest), then larger scores.
 * `scores` holds f32 without NaN and is overwritten: the keys live in its memory.
 */
export function toScoreKeys(
  scores: Float32Array,
  { observations }: Pick<StatisticsColumns, 'observations'>,
): Uint32Array {
  const keys = toKeys(scores)
  for (let i = 0; i < keys.length; i++) if (observations[i] === 0) keys[i] = UNSEEN_KEY
  return keys
}

/** One u32 a sample that sorts like its score. `scores` holds f32 without NaN and is overwritten: the keys live in its memory. */
export function toKeys(scores: Float32Array): Uint32Array {
  const keys = new Uint32Array(scores.buffer, scores.byteOffset, scores.length)
  for (let i = 0; i < scores.length; i++) {
    scores[i] = (scores[i] as number) + 0 // -0 becomes 0, so that they tie
    const bits = keys[i] as number
    keys[i] = bits >>> 31 === 1 ? ~bits : bits | 0x80000000
  }
  return keys
}
