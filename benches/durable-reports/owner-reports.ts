import { Run } from '../../services/sampler/src/runs/run.js'
import { RunOwner } from '../../services/sampler/src/runs/run-owner.js'
import { resolveRunSpec } from '../../services/sampler/src/runs/run-spec.js'
import { leaseOf, ownerParts } from '../../services/sampler/src/runs/testing/owner-parts.js'
import { requestedSpec } from '../../services/sampler/src/runs/testing/requested-spec.js'
import type { CountingDisk } from '../support/counting-disk.js'
import { batchesOf, closeRuns, openRuns, planEpoch, snapshotSaved } from '../support/in-process.js'
import { lossesOf } from '../support/losses.js'
import type { Measurement } from '../support/measurement.js'
import { measure, type Way } from './measurement.js'
import { type Reporters, type Shape, sampleCountOf, WORLD_SIZE } from './shape.js'

const RUN_ID = 'bench'

type Report = Parameters<RunOwner['report']>[0]

export function specOf(shape: Shape, seed: number) {
  const policy = { name: 'full' as const, settings: {} }
  return requestedSpec({ sampleCount: sampleCountOf(shape), seed: BigInt(seed), pruneRate: 0, policy })
}

/** `RunOwner.report`, in this process. */
export class OwnerReports implements Way {
  readonly #owner: RunOwner
  readonly #shape: Shape
  readonly #close: () => Promise<void>
  #epoch = -1
  #reports: Report[][] = []

  private constructor(owner: RunOwner, shape: Shape, close: () => Promise<void>) {
    this.#owner = owner
    this.#shape = shape
    this.#close = close
  }

  /** Of a run in a file store. */
  static async open(dataDir: string, disk: CountingDisk, shape: Shape, seed: number): Promise<OwnerReports> {
    const runs = await openRuns(dataDir, disk)
    await runs.create(RUN_ID, specOf(shape, seed))
    return new OwnerReports(await runs.owner(RUN_ID), shape, () => closeRuns(runs))
  }

  /** Of a run whose events go nowhere. */
  static openUnrecorded(shape: Shape, seed: number): OwnerReports {
    const run = new Run({ runId: RUN_ID, spec: resolveRunSpec(specOf(shape, seed)), time: 0 })
    const owner = new RunOwner(
      run,
      leaseOf(async () => undefined),
      ownerParts(),
    )
    return new OwnerReports(owner, shape, async () => undefined)
  }

  async beginRound(): Promise<void> {
    const epoch = ++this.#epoch
    const { batchSize } = this.#shape
    const plan = await planEpoch(this.#owner, epoch, WORLD_SIZE)
    const losses = lossesOf(batchSize, epoch)
    this.#reports = Array.from({ length: WORLD_SIZE }, (_, rank) =>
      batchesOf(plan, rank, batchSize).map((indices, i) => ({
        epoch,
        rank,
        sequence: i + 1,
        generation: 1,
        indices,
        losses,
      })),
    )
    await snapshotSaved(this.#owner)
  }

  measure(reporters: Reporters): Promise<Measurement> {
    return measure(reporters, this.#reports, (report) => this.#owner.report(report))
  }

  close(): Promise<void> {
    return this.#close()
  }
}
