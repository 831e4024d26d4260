import { setMaxListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { readConfig } from '@keepset/sampler'
import type { Plan } from '../../services/sampler/src/runs/plan.js'
import { RunError } from '../../services/sampler/src/runs/run-error.js'
import type { RunOwner } from '../../services/sampler/src/runs/run-owner.js'
import { RunRegistry } from '../../services/sampler/src/runs/run-registry.js'
import { ownerParts } from '../../services/sampler/src/runs/testing/owner-parts.js'
import type { Disk } from '../../services/sampler/src/store/file/disk.js'
import { FileStore } from '../../services/sampler/src/store/file/file-store.js'
import { nodeDisk } from '../../services/sampler/src/store/file/node-disk.js'

/** The file store of a data folder. */
export function openStore(dataDir: string, disk: Disk = nodeDisk): Promise<FileStore> {
  return FileStore.open(dataDir, {
    disk,
    epochStarts: readConfig({ dataDir }).epochStarts,
    onFatal: (error) => {
      throw error
    },
    log: () => undefined,
  })
}

/** All runs of a data folder, in this process: what a sampler is without its gRPC side. */
export async function openRuns(dataDir: string, disk?: Disk): Promise<RunRegistry> {
  const parts = { ...ownerParts(), clock: Date.now }
  return RunRegistry.open(await openStore(dataDir, disk), readConfig({ dataDir }), parts)
}

export async function closeRuns(runs: RunRegistry): Promise<void> {
  await runs.close(new RunError('DRAINING', 'bench', 'the bench is over'))
}

/** The plan of an epoch: every rank asks for it at once. */
export async function planEpoch(owner: RunOwner, epoch: number, worldSize: number): Promise<Plan> {
  const { signal } = new AbortController()
  setMaxListeners(0, signal) // Every rank listens.
  const asked = Array.from({ length: worldSize }, (_, rank) =>
    owner.planEpoch({ epoch, rank, worldSize, lastSequence: 0, startPosition: 0, generation: 0 }, 600_000, signal),
  )
  const [plan] = await Promise.all(asked)
  return plan as Plan
}

/** Resolves when no snapshot of the run is being written any more. */
export async function snapshotSaved(owner: RunOwner): Promise<void> {
  while (owner.idleSince === undefined) await turn()
}

/** A rank's positions of a plan in batches of a full size; what is left over is left out. */
export function batchesOf(plan: Plan, rank: number, batchSize: number): Uint32Array[] {
  const { order, sharding } = plan
  const count = Math.floor((order.length - rank + sharding.worldSize - 1) / sharding.worldSize / batchSize)
  return Array.from({ length: count }, (_, batch) =>
    Uint32Array.from(
      { length: batchSize },
      (_, i) => order[rank + (batch * batchSize + i) * sharding.worldSize] as number,
    ),
  )
}
