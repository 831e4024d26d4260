import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { RunRegistry } from '../../services/sampler/src/runs/run-registry.js'
import { ownerParts } from '../../services/sampler/src/runs/testing/owner-parts.js'
import { testLimits } from '../../services/sampler/src/runs/testing/test-limits.js'
import { MemoryStore } from '../../services/sampler/src/store/memory/memory-store.js'
import type { Survival } from '../support/disk-tree.js'
import { type DiskFault, type DiskStep, FaultyDisk, isChange } from '../support/faulty-disk.js'
import { seededRandom } from '../support/random.js'
import { everythingSurvives, namesSurvive, nothingSurvives, someSurvives } from '../support/survivals.js'
import { openFileStore } from './open-file-store.js'
import { isUnavailable, KEPT_STARTS, PersistentTrainer, type TrainingOutcome } from './persistent-trainer.js'

/** A training over a file store on which something goes wrong: it comes to what an undisturbed one comes to, bit for bit. */

/** The random part is so many times as large where KEEPSET_TEST_EFFORT says so. */
const EFFORT = Number(process.env.KEEPSET_TEST_EFFORT ?? 1)

/** Gives the disk to the next process, after the one that used it ended. */
type NextDisk = (disk: FaultyDisk) => FaultyDisk

const afterPowerLoss = (survival: Survival) => (disk: FaultyDisk) => disk.afterPowerLoss(survival)
const afterProcess: NextDisk = (disk) => disk.afterProcess()

interface Training {
  readonly outcome: TrainingOutcome
  /** Processes that it took. */
  readonly processes: number
  readonly duplicates: number
  readonly steps: readonly DiskStep[]
}

/** Trains to the end, with as many processes as that takes: each one ends when its disk does, or when a sync fails. */
async function train(first: FaultyDisk, next: NextDisk = afterProcess): Promise<Training> {
  const trainer = new PersistentTrainer()
  let disk = first
  for (let processes = 1; processes < 10; processes++) {
    const outcome = await trainWith(trainer, disk)
    if (outcome) return { outcome, processes, duplicates: trainer.duplicates, steps: first.steps }
    disk = next(disk)
  }
  throw new Error('the training did not end')
}

async function trainWith(trainer: PersistentTrainer, disk: FaultyDisk): Promise<TrainingOutcome | undefined> {
  let end = () => {}
  const fatal = new Promise<undefined>((resolve) => {
    end = () => resolve(undefined)
  })
  const training = async () => {
    const store = await openFileStore(disk, { epochStarts: KEPT_STARTS, onFatal: end }).catch(() => undefined)
    if (!store) return undefined
    const registry = await RunRegistry.open(store, testLimits(), ownerParts())
    for (let attempt = 1; ; attempt++) {
      try {
        const outcome = await trainer.train(registry)
        await registry.close(new Error('the sampler stops'))
        return outcome
      } catch (error) {
        // The sampler is there and says that it cannot record now: the trainer tries again.
        if (!isUnavailable(error) || attempt === 5) throw error
      }
      await nextTurn()
    }
  }
  return Promise.race([training(), fatal, disk.end.then(() => undefined)])
}

describe('a training over a disk that fails', { timeout: 60_000 * EFFORT }, () => {
  let twin: TrainingOutcome
  let steps: readonly DiskStep[]

  beforeAll(async () => {
    const registry = await RunRegistry.open(new MemoryStore({ epochStarts: KEPT_STARTS }), testLimits(), ownerParts())
    twin = await new PersistentTrainer().train(registry)
    const undisturbed = await train(new FaultyDisk())
    steps = undisturbed.steps
    expect(undisturbed.outcome).toEqual(twin)
    expect([undisturbed.processes, undisturbed.duplicates]).toEqual([1, 0])
  })

  /** Trains anew for each of these steps, with a fault there, and answers how it went. */
  async function trainWithFaultAt(
    isWanted: (step: DiskStep) => boolean,
    fault: (step: DiskStep) => DiskFault,
    next: (at: number) => NextDisk = () => afterProcess,
  ) {
    const sum = { trainings: 0, processes: 0, duplicates: 0 }
    for (const [at, step] of steps.entries()) {
      if (!isWanted(step)) continue
      const disk = new FaultyDisk({ fault: (_, index) => (index === at ? fault(step) : undefined) })
      const { outcome, processes, duplicates } = await train(disk, next(at)).catch((error: Error) => {
        error.message = `step ${at} (${step.operation} ${step.path}): ${error.message}`
        throw error
      })
      expect(outcome).toEqual(twin)
      sum.trainings++
      sum.processes += processes
      sum.duplicates += duplicates
    }
    expect(sum.trainings).toBeGreaterThan(20)
    return sum
  }

  it('selects, goes back and finishes on its way', () => {
    expect(twin.plans.filter((plan) => plan.startsWith('selected'))).toHaveLength(7)
    expect(twin.facts).toMatchObject({ generation: 3, nextEpoch: 4, isFinished: true })
  })

  it.each([
    ['nothing', nothingSurvives],
    ['everything', everythingSurvives],
    ['names', namesSurvive],
  ])(
    'comes to the same after a loss of power at any change that leaves %s of what was not synced',
    async (_, survival) => {
      const { trainings, processes } = await trainWithFaultAt(
        isChange,
        () => 'end',
        () => afterPowerLoss(survival),
      )
      expect(processes).toBe(2 * trainings)
    },
  )

  it('comes to the same after a loss of power at any change that leaves any part of what was not synced', async () => {
    for (let effort = 0; effort < EFFORT; effort++) {
      await trainWithFaultAt(
        isChange,
        () => 'end',
        (at) => afterPowerLoss(someSurvives(seededRandom(1000 * effort + at))),
      )
    }
  })

  it('comes to the same after the end of its process at any step', async () => {
    const { trainings, processes, duplicates } = await trainWithFaultAt(
      () => true,
      () => 'end',
    )
    // The last steps come when the training is over.
    expect(processes).toBeGreaterThan(1.9 * trainings)
    // What was recorded, and not acknowledged, was sent again and not counted again.
    expect(duplicates).toBeGreaterThan(20)
  })

  it('comes to the same after any sync that fails, in another process', async () => {
    const isSync = ({ operation }: DiskStep) => operation === 'sync' || operation === 'syncDirectory'
    const { trainings, processes } = await trainWithFaultAt(
      isSync,
      () => ({ code: 'EIO' }),
      () => afterPowerLoss(nothingSurvives),
    )
    expect(processes).toBe(2 * trainings)
  })

  it('comes to the same after any write of events that fails, or does not fit, in the same process', async () => {
    const isWrite = ({ operation, path }: DiskStep) =>
      path.endsWith('.journal') && (operation === 'append' || operation === 'createFile')
    for (const code of ['EIO', 'ENOSPC'] as const) {
      const { trainings, processes } = await trainWithFaultAt(isWrite, ({ byteCount }) => ({
        code,
        written: byteCount >> 1,
      }))
      expect(processes).toBe(trainings)
    }
  })

  it('comes to the same after many ends of its process', async () => {
    for (let seed = 0; seed < 20 * EFFORT; seed++) {
      const random = seededRandom(seed)
      // Later processes find more to read and less to do: each ends somewhere in what is left.
      const fault = () => {
        const at = Math.floor(random() * steps.length * 0.4)
        return (_: DiskStep, index: number): DiskFault | undefined => (index === at ? 'end' : undefined)
      }
      let ends = 0
      const { outcome } = await train(new FaultyDisk({ fault: fault() }), (disk) => {
        const options = ++ends < 6 ? { fault: fault() } : {}
        return random() < 0.5 ? disk.afterProcess(options) : disk.afterPowerLoss(someSurvives(random), options)
      })
      expect(outcome).toEqual(twin)
    }
  })
})
