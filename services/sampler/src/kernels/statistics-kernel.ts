import { bitBytes } from '../core/selection/kept-set.js'
import { BATCH_SAMPLES, type ColumnLayout } from '../core/statistics/column-layout.js'
import type { StatisticsSettings } from '../core/statistics/sample-statistics.js'
import type { ObservedCounts, StatisticsKernel } from '../core/statistics/statistics-kernel.js'
import { compileKernels, Kernels } from './kernels.js'

/** Changes the statistics of a run in its memory: what `SampleStatistics` does by itself elsewhere, without metrics. */
export function statisticsKernel(
  memory: WebAssembly.Memory,
  layout: ColumnLayout,
  settings: StatisticsSettings,
): StatisticsKernel {
  const kernels = new Kernels(compileKernels(), memory, layout)
  const batch = { indices: layout.batch, losses: layout.batch + 4 * BATCH_SAMPLES }
  const [indexRoom, lossRoom] = [
    new Uint32Array(memory.buffer, batch.indices, BATCH_SAMPLES),
    new Float32Array(memory.buffer, batch.losses, BATCH_SAMPLES),
  ]
  const observeBatch = (indices: Uint32Array, losses: Float32Array) => {
    indexRoom.set(indices)
    lossRoom.set(losses)
    return kernels.observe(layout.observed, { ...batch, count: indices.length }, settings)
  }
  return {
    observe(indices, losses): ObservedCounts {
      if (indices.length <= BATCH_SAMPLES) return observeBatch(indices, losses)
      const all = { observations: 0, nonFinite: 0, repeats: 0, scored: 0 }
      for (let start = 0; start < indices.length; start += BATCH_SAMPLES) {
        const end = start + BATCH_SAMPLES
        const counts = observeBatch(indices.subarray(start, end), losses.subarray(start, end))
        all.observations += counts.observations
        all.nonFinite += counts.nonFinite
        all.repeats += counts.repeats
      }
      return all
    },
    countKept({ bits }) {
      // Nothing is put together there now: a run has its next kept set chosen after this one was counted.
      const room = new Uint8Array(memory.buffer, layout.selection, bitBytes(layout.sampleCount))
      room.fill(0)
      room.set(bits.subarray(0, room.length))
      kernels.countKept(layout.selection)
    },
  }
}
