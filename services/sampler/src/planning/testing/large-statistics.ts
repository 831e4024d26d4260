import { defaultStatistics, SampleStatistics } from '../../core/statistics/sample-statistics.js'

/** Statistics of a run that is large enough for a memory of its own: with ties, unseen samples and variances. */
export function largeStatistics(sampleCount = 40_003, metricCount = 1): SampleStatistics {
  const statistics = new SampleStatistics(sampleCount, defaultStatistics, {
    metrics: Array.from({ length: metricCount }, (_, i) => `m${i}`),
  })
  for (let i = 0; i < sampleCount; i++) {
    if (i % 11 === 0) continue
    statistics.observe(i, (i * 7919) % 97)
    if (i % 3 === 0) statistics.observe(i, (i * 31) % 89)
  }
  return statistics
}
