import type { StatisticsCapture } from '../../core/statistics/statistics-capture.js'
import type { StatisticsColumns } from '../../core/statistics/statistics-columns.js'

/** Where the columns begin: aligned for them, with the byte before them that says whether they are there. */
const COLUMNS_AT = 16

/** Memory for one block of an image after the other: the columns lie in it as they do in the image, so that nothing is copied to put them together. */
export class BlockBuffer {
  readonly #buffer: ArrayBuffer
  readonly #metricCount: number

  /** `maxSamples`: of the largest block. */
  constructor(maxSamples: number, metricCount: number) {
    this.#buffer = new ArrayBuffer(COLUMNS_AT + maxSamples * (16 + 4 * metricCount))
    this.#metricCount = metricCount
  }

  /** The block of the next samples: a byte where nothing is known of them, as of every sample of a run that starts. Good until the next is read. */
  read(capture: StatisticsCapture, sampleCount: number): Uint8Array {
    capture.readInto(this.#columns(sampleCount))
    const isKnown = this.#isKnown(sampleCount)
    const bytes = new Uint8Array(
      this.#buffer,
      COLUMNS_AT - 1,
      isKnown ? 1 + sampleCount * (16 + 4 * this.#metricCount) : 1,
    )
    bytes[0] = isKnown ? 1 : 0
    return bytes
  }

  /** Views of the memory, in the order in which an image has the columns. */
  #columns(count: number): StatisticsColumns {
    const floats = (column: number) => new Float32Array(this.#buffer, COLUMNS_AT + 4 * column * count, count)
    const counts = (half: number) => new Uint16Array(this.#buffer, COLUMNS_AT + 12 * count + 2 * half * count, count)
    return {
      mean: floats(0),
      variance: floats(1),
      lastLoss: floats(2),
      observations: counts(0),
      timesKept: counts(1),
      metrics: Array.from({ length: this.#metricCount }, (_, metric) => floats(4 + metric)),
    }
  }

  #isKnown(sampleCount: number): boolean {
    const counts = new Uint32Array(this.#buffer, COLUMNS_AT + 12 * sampleCount, sampleCount)
    for (const pair of counts) if (pair !== 0) return true
    const metrics = new Float32Array(this.#buffer, COLUMNS_AT + 16 * sampleCount, this.#metricCount * sampleCount)
    for (const value of metrics) if (!Number.isNaN(value)) return true
    return false
  }
}
