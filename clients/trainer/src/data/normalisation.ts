import type { ImageSet } from './data-set.js'

/** Mean and standard deviation of each channel over a set, of pixel values scaled to 0 to 1. */
export interface ChannelStatistics {
  readonly mean: readonly number[]
  /** Population standard deviation; 1 for a channel that is constant, so that it can be divided by. */
  readonly standardDeviation: readonly number[]
}

/** Computes the statistics exactly, from a count of each pixel value. */
export function measureChannels(set: ImageSet, channels: number): ChannelStatistics {
  const counts = Array.from({ length: channels }, () => new Float64Array(256))
  for (let offset = 0; offset < set.images.length; offset += channels) {
    for (let channel = 0; channel < channels; channel++) {
      const value = set.images[offset + channel] ?? 0
      const histogram = counts[channel]
      if (histogram) histogram[value] = (histogram[value] ?? 0) + 1
    }
  }
  const pixels = set.images.length / channels
  const mean = counts.map((histogram) => histogram.reduce((sum, n, value) => sum + n * value, 0) / pixels)
  const variance = counts.map(
    (histogram, channel) =>
      histogram.reduce((sum, n, value) => sum + n * (value - (mean[channel] ?? 0)) ** 2, 0) / pixels,
  )
  return {
    mean: mean.map((value) => value / 255),
    standardDeviation: variance.map((value) => (value === 0 ? 1 : Math.sqrt(value) / 255)),
  }
}

/** The normalised value of each byte: entry channel * 256 + byte is (byte / 255 - mean) / standard deviation. */
export function normalisationTable(statistics: ChannelStatistics): Float32Array {
  const table = new Float32Array(statistics.mean.length * 256)
  statistics.mean.forEach((mean, channel) => {
    const deviation = statistics.standardDeviation[channel] ?? 1
    for (let byte = 0; byte < 256; byte++) table[channel * 256 + byte] = (byte / 255 - mean) / deviation
  })
  return table
}
