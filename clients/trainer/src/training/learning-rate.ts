/** Share of the training in which the learning rate rises. */
const warmupShare = 0.2

/** The learning rate at the start, as a share of the peak. */
const startShare = 0.1

/**
 * The one-cycle schedule: a linear rise from a tenth of the peak over the first fifth of the training, then a half cosine
 * down to 0 at its end. Progress is counted in epochs, not in steps, so trainings that prune differently share one schedule.
 *
 * Source: Smith, Topin, "Super-Convergence", 2018 (arXiv 1708.07120), with the cosine descent that PyTorch's OneCycleLR has.
 *
 * @param progress share of the training that is done: (epoch + position / positions of the epoch) / epochs, 0 to 1
 * @param peak the largest learning rate
 */
export function learningRateAt(progress: number, peak: number): number {
  if (progress < warmupShare) return peak * (startShare + (1 - startShare) * (progress / warmupShare))
  const descent = Math.min(1, (progress - warmupShare) / (1 - warmupShare))
  return (peak * (1 + Math.cos(Math.PI * descent))) / 2
}
