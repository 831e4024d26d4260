// Where the kernels keep what they need in passing: the start of the memory, up to SCRATCH_BYTES of core/statistics/column-layout.ts.

/** Two histograms of 65,536 u32: neighbours that fall into the same bin need not wait for each other. */
export const HISTOGRAM: usize = 0
export const HISTOGRAM_BYTES: usize = 0x40000

/** Numbers of the random stream that is open. */
export const RANDOM: usize = 0x80000
export const RANDOM_END: usize = 0x81000

/** Where the next item of each of 256 buckets goes, a table for each level of the split, of which u32 lengths need three. */
export const BUCKETS: usize = 0x81000
export const BUCKETS_BYTES: usize = 0x400

/** What `observe` has counted: three u32. Of its own, so that reports can be taken in while a worker selects. */
export const OBSERVED_COUNTS: usize = 0x8fff0
