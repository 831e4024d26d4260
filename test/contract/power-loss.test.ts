import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type DiskFault, type DiskStep, FaultyDisk, isChange } from '../support/faulty-disk.js'
import { seededRandom } from '../support/random.js'
import {
  contentsSurvive,
  everythingSurvives,
  lengthsSurvive,
  namesSurvive,
  nothingSurvives,
  someSurvives,
} from '../support/survivals.js'
import { DATA_DIR, openFileStore } from './open-file-store.js'
import { KEPT_STARTS, newLedgers, type OpenStore, ScriptedLife } from './scripted-life.js'

/** The random part is so many times as large where KEEPSET_TEST_EFFORT says so; at 1, the default, the file takes some seconds. */
const EFFORT = Number(process.env.KEEPSET_TEST_EFFORT ?? 1)

const openStore: OpenStore = (disk, onFatal) => openFileStore(disk, { epochStarts: KEPT_STARTS, onFatal })

/** Steps for which a full disk has no room. */
const TAKES_SPACE = ['makeDirectory', 'createFile', 'rename', 'append']

/** The steps of a life that nothing disturbs. */
async function stepsOfLife(): Promise<readonly DiskStep[]> {
  const disk = new FaultyDisk()
  const life = new ScriptedLife(disk, openStore)
  await life.live()
  expect(life.refusals).toBe(0)
  return disk.steps
}

const steps = await stepsOfLife()
/** The steps before are those of the store's start. */
const start = steps.findIndex(({ path }) => path.startsWith(`${DATA_DIR}/runs/run`))
const everyStep = steps.map((step, at) => ({ ...step, at }))

/** Lives until everything ends at a step. */
async function liveUntil(at: number, delay = async () => {}): Promise<{ disk: FaultyDisk; life: ScriptedLife }> {
  const disk = new FaultyDisk({ fault: (_, index) => (index === at ? 'end' : undefined), delay })
  const life = new ScriptedLife(disk, openStore)
  await Promise.race([life.live(), disk.end])
  return { disk, life }
}

/** The next process finds what was acknowledged, goes on, and leaves nothing lying about; what it acknowledges is safe, too. */
async function expectGoesOn(disk: FaultyDisk, ledgers: ReturnType<typeof newLedgers>): Promise<void> {
  const life = new ScriptedLife(disk, openStore, ledgers)
  await life.checkAll()
  await life.appendToAll()
  const leftOver = [...disk.files().keys()].filter((path) => /runs\/.*(tmp|~)/.test(path))
  expect(leftOver).toEqual([])
  const snapshots = [...disk.files().keys()].filter((path) => /runs\/run\/.*snapshot$/.test(path))
  expect(snapshots.length - life.epochStarts('run').length).toBeOneOf([0, 1])
  const last = new ScriptedLife(disk.afterPowerLoss(nothingSurvives), openStore, life.forkLedgers())
  await last.checkAll()
  await last.close()
}

/** Lives with a fault, then without. */
async function expectOutlives(
  fault: (step: DiskStep, index: number) => DiskFault | undefined,
  takesBack = true,
): Promise<ScriptedLife> {
  const disk = new FaultyDisk({ fault })
  const life = new ScriptedLife(disk, openStore, newLedgers(), takesBack)
  await life.live()
  disk.fault = undefined
  if (life.fatalAt === undefined) {
    await life.checkAll()
    await life.appendToAll()
    await expectGoesOn(disk.afterPowerLoss(nothingSurvives), life.forkLedgers())
    return life
  }
  expect(disk.steps.slice(life.fatalAt).filter(isChange)).toEqual([])
  for (const survival of [nothingSurvives, everythingSurvives, namesSurvive]) {
    await expectGoesOn(disk.afterPowerLoss(survival), life.forkLedgers())
  }
  await expectGoesOn(disk.afterProcess(), life.forkLedgers())
  return life
}

describe(`a file store in a life of ${steps.length} steps`, { timeout: 60_000 * EFFORT }, () => {
  it('meets all that a disk does', () => {
    expect(new Set(steps.map(({ operation }) => operation))).toEqual(
      new Set([
        'makeDirectory',
        'list',
        'createFile',
        'openFile',
        'rename',
        'remove',
        'syncDirectory',
        'size',
        'append',
        'read',
        'sync',
        'close',
      ]),
    )
  })

  it('leaves no file that is not needed', async () => {
    const disk = new FaultyDisk()
    await new ScriptedLife(disk, openStore).live()
    const folder = `${DATA_DIR}/runs/run/`
    const names = [...disk.files().keys()].filter((path) => path.startsWith(folder))
    // The newest, and the epoch starts; all events are covered.
    expect(names.map((path) => path.split('.').at(-1))).toEqual(Array(1 + KEPT_STARTS - 1).fill('snapshot'))
  })

  it.each([
    ['nothing', nothingSurvives],
    ['everything', everythingSurvives],
    ['names', namesSurvive],
    ['lengths', lengthsSurvive],
    ['contents', contentsSurvive],
  ])('survives a loss of power at every step that leaves %s of what was not synced', async (_, survival) => {
    for (const { at } of everyStep) {
      const { disk, life } = await liveUntil(at)
      await expectGoesOn(disk.afterPowerLoss(survival), life.forkLedgers())
    }
  })

  it('survives a loss of power at every step that leaves any part of what was not synced', async () => {
    for (const { at } of everyStep.filter(isChange)) {
      const { disk, life } = await liveUntil(at)
      for (let seed = 0; seed < 5 * EFFORT; seed++) {
        await expectGoesOn(disk.afterPowerLoss(someSurvives(seededRandom(1000 * at + seed))), life.forkLedgers())
      }
    }
  })

  it('survives a loss of power whatever takes how long', async () => {
    for (let seed = 0; seed < 150 * EFFORT; seed++) {
      const random = seededRandom(seed)
      const at = Math.floor(random() * steps.length)
      const { disk, life } = await liveUntil(at, async () => {
        for (let turns = Math.floor(random() * 4); turns > 0; turns--) await nextTurn()
      })
      for (const survival of [nothingSurvives, everythingSurvives, someSurvives(random)]) {
        await expectGoesOn(disk.afterPowerLoss(survival), life.forkLedgers())
      }
    }
  })

  it('survives a second loss of power while it recovers from the first', async () => {
    for (const { at } of everyStep.filter(isChange)) {
      const { disk, life } = await liveUntil(at)
      for (let seed = 0; seed < 3 * EFFORT; seed++) {
        const random = seededRandom(1000 * at + seed)
        const second = Math.floor(random() * 40)
        const next = disk.afterPowerLoss(someSurvives(random), {
          fault: (_, index) => (index === second ? 'end' : undefined),
        })
        const recovery = new ScriptedLife(next, openStore, life.forkLedgers())
        const recovered = recovery.checkAll().then(() => recovery.appendToAll())
        await Promise.race([recovered, next.end])
        await expectGoesOn(next.afterPowerLoss(someSurvives(random)), recovery.forkLedgers())
      }
    }
  })

  it('survives the end of its process at every step, and a loss of power after that', async () => {
    for (const { at } of everyStep) {
      const { disk, life } = await liveUntil(at)
      await expectGoesOn(disk.afterProcess(), life.forkLedgers())
    }
  })

  it('makes what it finds durable before it hands it out', async () => {
    for (const { at } of everyStep) {
      const { disk, life } = await liveUntil(at)
      const next = disk.afterProcess()
      const reader = new ScriptedLife(next, openStore, life.forkLedgers())
      await reader.checkAll()
      const last = new ScriptedLife(next.afterPowerLoss(nothingSurvives), openStore, reader.forkLedgers())
      await last.checkAll()
    }
  })

  it('stops for good at every sync that fails, and has lost nothing', async () => {
    const syncs = everyStep.filter(({ operation }) => operation === 'sync' || operation === 'syncDirectory')
    expect(syncs.length).toBeGreaterThan(20)
    for (const { at } of syncs) {
      const life = await expectOutlives((_, index) => (index === at ? { code: 'EIO' } : undefined))
      expect(life.fatalAt).toBeDefined()
    }
  })

  it('goes on after every other step that fails once', async () => {
    const others = everyStep.filter(({ operation }) => !['sync', 'syncDirectory', 'close'].includes(operation))
    for (const { at, byteCount } of others) {
      for (const written of new Set([0, Math.floor(byteCount / 2), byteCount])) {
        const life = await expectOutlives((_, index) => (index === at ? { code: 'EIO', written } : undefined))
        // The store does not start again and again; a sampler's process does.
        if (at >= start) expect(life.fatalAt).toBe(undefined)
        expect(life.refusals).toBeLessThanOrEqual(4)
      }
    }
  })

  it('has lost nothing when every step fails from some step on', async () => {
    for (const { at } of everyStep) {
      const fails = ({ operation }: DiskStep, index: number) => index >= at && operation !== 'close'
      await expectOutlives((step, index) => (fails(step, index) ? { code: 'EIO' } : undefined), false)
    }
  })

  it('goes on after a full disk has room again', async () => {
    const writes = everyStep.filter(({ operation }) => TAKES_SPACE.includes(operation))
    for (const [place, { at, byteCount }] of writes.entries()) {
      // For some of the next writes, or for all; the first one may have got a part of its bytes onto the disk.
      for (const last of [at, at + 20, Number.POSITIVE_INFINITY]) {
        const written = [0, byteCount, 1 + (place % Math.max(1, byteCount))][place % 3] as number
        const life = await expectOutlives(({ operation }, index) => {
          const isFull = index >= at && index <= last && TAKES_SPACE.includes(operation)
          return isFull ? { code: 'ENOSPC', written: index === at ? written : 0 } : undefined
        })
        if (at >= start) expect(life.fatalAt).toBe(undefined)
      }
    }
  })
})
