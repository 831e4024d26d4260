import { type Run, RunServiceService } from '@keepset/proto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../../support/calls.js'
import { refused } from '../../support/refusal.js'
import { type RefusalRow, testRefusals } from '../../support/refusal-table.js'
import { TestSampler } from '../../support/test-sampler.js'
import { trainEpoch } from './train-epoch.js'

let sampler: TestSampler
beforeAll(async () => {
  sampler = await TestSampler.start()
})
afterAll(() => sampler.stop())

async function rewind(runId: string, epoch: number, generation = 0): Promise<Run> {
  return (await ask(sampler.runs, RunServiceService.rewindRun, { runId, epoch, generation })).run as Run
}

const UCB = { policy: { $case: 'ucb', value: {} }, pruneRate: 0.5, selectionPeriod: 1 } as const

/** A run of 60 samples that has trained so many epochs; the digests of their plans. */
async function trainedRun(runId: string, epochs: number, losses?: (index: number, epoch: number) => number) {
  await sampler.createRun(runId, { sampleCount: 60, seed: 9n, ...UCB })
  const digests: string[] = []
  for (let epoch = 0; epoch < epochs; epoch++) digests.push(await trainEpoch(sampler, runId, epoch, { losses }))
  return digests
}

/** What a run is, but for its name and what a rewind is meant to change. */
function stateOf({ runId, createTime, updateTime, generation, epochStarts, ...state }: Run) {
  return state
}

test('goes back to the start of an epoch: what the run was then, in its next generation', async () => {
  await trainedRun('there', 5)
  await trainedRun('twin', 3)
  const run = await rewind('there', 3)
  expect(run).toMatchObject({ generation: 2, nextEpoch: 3, epochStarts: [0, 2, 3] })
  expect(stateOf(run)).toEqual(stateOf(await sampler.getRun('twin')))
})

test('the same reports then give the same plans, other reports other ones', async () => {
  const digests = await trainedRun('again', 6)
  await rewind('again', 4)
  const again: string[] = []
  for (const epoch of [4, 5]) again.push(await trainEpoch(sampler, 'again', epoch))
  expect(again).toEqual(digests.slice(4))
  await rewind('again', 4)
  await trainEpoch(sampler, 'again', 4, { losses: (index) => 60 - index })
  expect(await trainEpoch(sampler, 'again', 5)).not.toBe(digests[5])
})

test('the last three epoch starts are kept, the first, and the present one', async () => {
  await trainedRun('starts', 0)
  const starts: (readonly number[])[] = []
  for (let epoch = 0; epoch < 6; epoch++) {
    await trainEpoch(sampler, 'starts', epoch)
    starts.push((await sampler.getRun('starts')).epochStarts)
  }
  expect(starts).toEqual([
    [0, 1],
    [0, 1, 2],
    [0, 1, 2, 3],
    [0, 1, 2, 3, 4],
    [0, 2, 3, 4, 5],
    [0, 3, 4, 5, 6],
  ])
  // Going back drops those behind, and those before are still there.
  expect((await rewind('starts', 4)).epochStarts).toEqual([0, 3, 4])
  expect((await rewind('starts', 3)).epochStarts).toEqual([0, 3])
})

test('how many are kept is a setting; with none, a run goes back to where it stands, and to its beginning', async () => {
  const own = await TestSampler.start({ epochStarts: 0 })
  try {
    await own.createRun('none', { sampleCount: 60, ...UCB })
    const digest = await trainEpoch(own, 'none', 0)
    expect((await own.getRun('none')).epochStarts).toEqual([0, 1])
    const request = { runId: 'none', epoch: 1, generation: 0 }
    expect((await ask(own.runs, RunServiceService.rewindRun, request)).run).toMatchObject({ generation: 2 })
    const { run } = await ask(own.runs, RunServiceService.rewindRun, { ...request, epoch: 0 })
    expect(run).toMatchObject({ generation: 3, epochStarts: [0] })
    expect(await trainEpoch(own, 'none', 0)).toBe(digest)
  } finally {
    await own.stop()
  }
})

test('to epoch 0, however long ago that was: what a new run is', async () => {
  const digests = await trainedRun('anew', 8)
  await sampler.finishRun('anew')
  await trainedRun('new', 0)
  const run = await rewind('anew', 0, 1)
  expect(run).toMatchObject({ generation: 2, nextEpoch: 0, epochStarts: [0] })
  expect(stateOf(run)).toEqual(stateOf(await sampler.getRun('new')))
  expect(await rewind('anew', 0, 1)).toEqual(run)
  expect((await refused(sampler.plan({ runId: 'anew', generation: 1 }))).reason).toBe('STALE_GENERATION')
  const again: string[] = []
  for (let epoch = 0; epoch < 8; epoch++) again.push(await trainEpoch(sampler, 'anew', epoch))
  expect(again).toEqual(digests)
})

test('in the middle of an epoch: its reports are forgotten, and count when they come again', async () => {
  await trainedRun('middle', 2)
  const { indices } = await sampler.plan({ runId: 'middle', epoch: 2 })
  for (const generation of [1, 2]) {
    const ack = await sampler.report({ runId: 'middle', epoch: 2, sequence: 1, generation, indices })
    expect(ack).toMatchObject({ duplicate: false, observationCount: 30 })
    expect((await rewind('middle', 2, generation)).nextEpoch).toBe(2)
    expect((await sampler.plan({ runId: 'middle', epoch: 2 })).indices).toEqual(indices)
  }
})

test('to the epoch that comes next: only the generation changes', async () => {
  await trainedRun('present', 2)
  const before = await sampler.getRun('present')
  const run = await rewind('present', 2, 1)
  expect(run.generation).toBe(2)
  expect(stateOf(run)).toEqual(stateOf(before))
})

test('makes a finished run active again', async () => {
  const digests = await trainedRun('finished', 4)
  await sampler.finishRun('finished')
  await rewind('finished', 3)
  expect(await trainEpoch(sampler, 'finished', 3)).toBe(digests[3])
})

test('the same request again is answered and changes nothing; without a generation it rewinds again', async () => {
  await trainedRun('repeated', 3)
  const first = await rewind('repeated', 1, 1)
  const before = await sampler.dump()
  expect(await rewind('repeated', 1, 1)).toEqual(first)
  expect(await sampler.dump()).toBe(before)
  expect((await rewind('repeated', 1)).generation).toBe(3)
})

test('of two that rewind at once to different epochs, one does', async () => {
  await trainedRun('both', 3)
  const results = await Promise.allSettled([rewind('both', 1, 1), rewind('both', 2, 1)])
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect((await sampler.getRun('both')).generation).toBe(2)
})

test('wherever a run is taken back, an epoch has the plan that it would have had', async () => {
  const undisturbed = await trainedRun('undisturbed', 12)
  const step = fc.record({
    train: fc.integer({ min: 0, max: 3 }),
    back: fc.nat(4),
    ranks: fc.integer({ min: 1, max: 3 }),
  })
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
      const runId = `walk-${runs++}`
      let { nextEpoch: epoch, epochStarts } = await sampler.createRun(runId, { sampleCount: 60, seed: 9n, ...UCB })
      for (const { train, back, ranks } of steps) {
        for (let trained = 0; trained < train && epoch < 12; trained++, epoch++) {
          expect(await trainEpoch(sampler, runId, epoch, { worldSize: ranks })).toBe(undisturbed[epoch])
        }
        ;({ epochStarts } = await sampler.getRun(runId))
        const target = epochStarts[Math.max(0, epochStarts.length - 1 - back)] as number
        ;({ nextEpoch: epoch } = await rewind(runId, target))
        expect(epoch).toBe(target)
      }
    }),
    { numRuns: 12 },
  )
})

describe('RewindRun refuses', () => {
  beforeAll(() => trainedRun('refusing', 6))
  const toEpoch = (epoch: number, ...text: string[]): RefusalRow => ({
    name: `epoch ${epoch}`,
    call: (on) => ask(on.runs, RunServiceService.rewindRun, { runId: 'refusing', epoch, generation: 1 }),
    code: 'FAILED_PRECONDITION',
    reason: 'EPOCH_START_GONE',
    text: [`epoch is ${epoch}`, '0, 3, 4, 5, 6', ...text],
  })
  testRefusals(
    () => sampler,
    [
      toEpoch(1, '--epoch-starts'),
      toEpoch(2, '--epoch-starts'),
      toEpoch(7),
      toEpoch(0xffffffff),
      {
        name: 'a run that is not there',
        call: (on) => ask(on.runs, RunServiceService.rewindRun, { runId: 'nobody', epoch: 0, generation: 0 }),
        code: 'NOT_FOUND',
        reason: 'RUN_NOT_FOUND',
        text: ['nobody'],
      },
    ],
  )

  test('an epoch whose start is gone, as a precondition about the run', async () => {
    const { precondition } = await refused(rewind('refusing', 1))
    expect(precondition?.violations).toMatchObject([{ type: 'EPOCH_START_GONE', subject: 'refusing' }])
  })
})
