/** Bytes at the start of a run's memory that belong to the kernels, as assembly/scratch.ts lays them out; the caller's own begin here. */
export const SCRATCH_BYTES = 0x90000
