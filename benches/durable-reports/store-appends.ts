import { imageOf } from '../../services/sampler/src/runs/image/write-image.js'
import type { RunLease } from '../../services/sampler/src/runs/ports.js'
import { Run } from '../../services/sampler/src/runs/run.js'
import type { LossesReported } from '../../services/sampler/src/runs/run-event.js'
import { resolveRunSpec } from '../../services/sampler/src/runs/run-spec.js'
import type { FileStore } from '../../services/sampler/src/store/file/file-store.js'
import type { CountingDisk } from '../support/counting-disk.js'
import { openStore } from '../support/in-process.js'
import { lossesOf } from '../support/losses.js'
import type { Measurement } from '../support/measurement.js'
import { measure, type Way } from './measurement.js'
import { specOf } from './owner-reports.js'
import { type Reporters, type Shape, WORLD_SIZE } from './shape.js'

/** `RunLease.append` of the file store, in this process: reports that nobody checks and counts. */
export class StoreAppends implements Way {
  readonly #store: FileStore
  readonly #lease: RunLease
  readonly #events: LossesReported[][]

  private constructor(store: FileStore, lease: RunLease, { batchSize, reportsPerRank }: Shape) {
    this.#store = store
    this.#lease = lease
    const indices = Uint32Array.from({ length: batchSize }, (_, i) => i)
    const losses = lossesOf(batchSize, 0)
    this.#events = Array.from({ length: WORLD_SIZE }, (_, rank) =>
      Array.from({ length: reportsPerRank }, (_, i) => ({
        type: 'losses_reported',
        time: 0,
        epoch: 0,
        rank,
        sequence: i + 1,
        indices,
        losses,
      })),
    )
  }

  static async open(dataDir: string, disk: CountingDisk, shape: Shape, seed: number): Promise<StoreAppends> {
    const store = await openStore(dataDir, disk)
    const run = new Run({ runId: 'bench', spec: resolveRunSpec(specOf(shape, seed)), time: 0 })
    const lease = await store.create('bench', [{ image: imageOf(run), epochStart: 0 }])
    return new StoreAppends(store, lease, shape)
  }

  async beginRound(): Promise<void> {}

  measure(reporters: Reporters): Promise<Measurement> {
    return measure(reporters, this.#events, (event) => this.#lease.append(event))
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
