/** The largest finite f32. */
export const MAX_F32 = 3.4028234663852886e38
