import type { StatisticsColumns } from '../../core/statistics/statistics-columns.js'

/*
 * The image of a run, little-endian: magic, u32 version, u32 length of the header, the header as JSON, then u32 sequences of each rank, u32 sequences of each
 * rank in the epoch before, a bit a sample for the kept set (not there where nothing was selected), f32 weights of the kept samples (where the run has weights), a bit a sample for those that have their loss of the epoch,
 * and the statistics in blocks of samples: a byte that is 0 for a block of which nothing is known and 1 for one whose columns follow, one after the other, then
 * those of the metrics and of the policy.
 * docs/reference/storage.md describes it for readers.
 */
export const IMAGE_MAGIC = 'KEEPSETI'
export const IMAGE_VERSION = 1

/** Longest header: a schedule of a thousand prune rates fits many times. */
export const MAX_HEADER_BYTES = 0x100000

/** Samples of a block: 512 KiB of columns, and 128 KiB for each metric. */
export const BLOCK_SAMPLES = 0x8000

/** The columns in the order in which they are in a block. */
export const COLUMNS = [
  'mean',
  'variance',
  'lastLoss',
  'observations',
  'timesKept',
] as const satisfies readonly (keyof StatisticsColumns)[]

/** The bytes of a typed array, without a copy. */
export function bytesOf(array: Uint32Array | Uint16Array | Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
