import { crc32 } from 'node:zlib'
import { bitBytes } from '../../services/sampler/src/core/selection/kept-set.js'
import { defaultStatistics, SampleStatistics } from '../../services/sampler/src/core/statistics/sample-statistics.js'
import type { StatisticsColumns } from '../../services/sampler/src/core/statistics/statistics-columns.js'
import { RunMemory } from '../../services/sampler/src/kernels/testing/run-memory.js'
import { Run } from '../../services/sampler/src/runs/run.js'
import { resolveRunSpec } from '../../services/sampler/src/runs/run-spec.js'
import { requestedSpec } from '../../services/sampler/src/runs/testing/requested-spec.js'
import { timed } from '../support/by-turns.js'

/** Losses of a report. */
export const BATCH_SIZE = 256

/** A loss for each sample, in the order in which they come. */
export interface Losses {
  readonly indices: Uint32Array
  readonly losses: Float32Array
}

/** A way to take in the losses of an epoch. */
export interface Update {
  /** Takes them all in, and answers with milliseconds. */
  run(): Promise<number>
  /** Of the statistics as they are. */
  check(): number
}

function checkOf({ mean, variance }: Pick<StatisticsColumns, 'mean' | 'variance'>): number {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(new Uint8Array(buffer, byteOffset, byteLength))
  return crc32(bytes(variance), crc32(bytes(mean)))
}

function reportsOf({ indices, losses }: Losses): Losses[] {
  return Array.from({ length: Math.ceil(indices.length / BATCH_SIZE) }, (_, i) => ({
    indices: indices.subarray(i * BATCH_SIZE, (i + 1) * BATCH_SIZE),
    losses: losses.subarray(i * BATCH_SIZE, (i + 1) * BATCH_SIZE),
  }))
}

/** Reports as events of a run. */
export class RunUpdate implements Update {
  readonly #run: Run
  readonly #reports: Losses[]

  constructor(given: Losses) {
    const spec = resolveRunSpec(requestedSpec({ sampleCount: given.indices.length }))
    this.#run = new Run({ runId: 'bench', spec, time: 0 })
    this.#reports = reportsOf(given)
  }

  run(): Promise<number> {
    const epoch = this.#run.nextEpoch
    this.#run.apply({ type: 'epoch_planned', time: 0, epoch, worldSize: 1, reason: 'warmup' })
    return timed(() => {
      this.#reports.forEach((report, i) => {
        this.#run.apply({ type: 'losses_reported', time: 0, epoch, rank: 0, sequence: i + 1, ...report })
      })
    })
  }

  check(): number {
    return checkOf(this.#run.statistics)
  }
}

/** The statistics alone. */
export class StatisticsUpdate implements Update {
  readonly #statistics: SampleStatistics
  readonly #given: Losses

  constructor(given: Losses) {
    this.#statistics = new SampleStatistics(given.indices.length, defaultStatistics)
    this.#given = given
  }

  run(): Promise<number> {
    const { indices, losses } = this.#given
    return timed(() => {
      for (let i = 0; i < indices.length; i++) this.#statistics.observe(indices[i] as number, losses[i] as number)
    })
  }

  check(): number {
    return checkOf(this.#statistics)
  }
}

/** The kernel, report by report, each copied into its memory. */
export class KernelUpdate implements Update {
  readonly #memory: RunMemory
  readonly #observed: Uint8Array
  readonly #reports: Losses[]

  constructor(given: Losses) {
    this.#memory = new RunMemory(given.indices.length, BATCH_SIZE)
    this.#observed = new Uint8Array(this.#memory.memory.buffer, this.#memory.bits, bitBytes(given.indices.length))
    this.#reports = reportsOf(given)
  }

  run(): Promise<number> {
    const { kernels, bits, items, losses } = this.#memory
    const [indexRoom, lossRoom] = [this.#memory.list('items'), this.#memory.lossList()]
    return timed(() => {
      this.#observed.fill(0)
      for (const report of this.#reports) {
        indexRoom.set(report.indices)
        lossRoom.set(report.losses)
        kernels.observe(bits, { indices: items, losses, count: report.indices.length }, defaultStatistics)
      }
    })
  }

  check(): number {
    return checkOf(this.#memory.arrays())
  }
}
