import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serverDeadline } from '../../support/calls.js'
import { refused } from '../../support/refusal.js'
import { type RefusalRow, testRefusals } from '../../support/refusal-table.js'
import { TestSampler } from '../../support/test-sampler.js'

let sampler: TestSampler
beforeAll(async () => {
  sampler = await TestSampler.start()
  await sampler.createRun('new', { sampleCount: 100 })
  await sampler.createRun('drop', { sampleCount: 100, shardMode: 2, positionMultiple: 30 })
  await sampler.createRun('planned', { sampleCount: 100, totalEpochs: 4, warmupEpochs: 4 })
  for (const epoch of [0, 1]) await sampler.planAll(2, { runId: 'planned', epoch })
  await sampler.createRun('complete', { sampleCount: 10, totalEpochs: 1 })
  await sampler.plan({ runId: 'complete' })
  await sampler.createRun('finished', { sampleCount: 10 })
  await sampler.plan({ runId: 'finished' })
  await sampler.finishRun('finished')
})
afterAll(() => sampler.stop())

type Request = Parameters<TestSampler['plan']>[0]

const row = (
  name: string,
  request: Request,
  code: RefusalRow['code'],
  reason: string,
  text: readonly string[],
): RefusalRow => ({ name, call: (on) => on.plan(request), code, reason, text })

const badField = (field: string, name: string, request: Request, ...text: string[]): RefusalRow => ({
  ...row(name, request, 'INVALID_ARGUMENT', 'INVALID_FIELD', [field, ...text]),
  field,
})

const wrongEpoch = (name: string, request: Request, ...text: string[]): RefusalRow =>
  row(name, request, 'FAILED_PRECONDITION', 'WRONG_EPOCH', [`epoch is ${request?.epoch}`, ...text])

describe('PlanEpoch refuses', () => {
  testRefusals(
    () => sampler,
    [
      badField('rank', 'rank = world_size', { runId: 'new', rank: 2, worldSize: 2 }, 'rank is 2', 'world_size 2'),
      badField('rank', 'rank above the default world_size', { runId: 'new', rank: 1 }, 'rank is 1', 'world_size 1'),
      badField('world_size', 'world_size 0', { runId: 'new', worldSize: 0 }, 'is 0', '32767'),
      badField('world_size', 'world_size 32768', { runId: 'new', worldSize: 32_768 }, 'is 32768', '32767'),
      badField('world_size', 'more ranks than kept samples', { runId: 'new', worldSize: 101 }, 'is 101', '100 samples'),
      badField('world_size', 'more ranks than DROP can serve', { runId: 'drop', worldSize: 4 }, 'is 4', 'multiple 30'),
      badField('last_sequence', 'reports of no epoch', { runId: 'new', lastSequence: 1 }, 'is 1', 'no epoch before'),
      badField(
        'last_sequence',
        'reports of a rank that was not there',
        { runId: 'planned', epoch: 2, rank: 2, worldSize: 3, lastSequence: 4 },
        'is 4',
        'rank 2',
        'ranks 0 to 1',
      ),
      wrongEpoch('a future epoch', { runId: 'new', epoch: 1 }, 'epoch 0'),
      wrongEpoch('a past epoch', { runId: 'planned', epoch: 0, worldSize: 2 }, 'epoch 1 or 2'),
      wrongEpoch('an epoch after the next', { runId: 'planned', epoch: 3, worldSize: 2 }, 'epoch 1 or 2'),
      wrongEpoch('an epoch past total_epochs', { runId: 'planned', epoch: 4, worldSize: 2 }, 'total_epochs 4'),
      wrongEpoch('the next epoch of a complete run', { runId: 'complete', epoch: 1 }, 'total_epochs 1'),
      wrongEpoch('the largest epoch', { runId: 'new', epoch: 0xffffffff }),
      row(
        'another world size than the plan was made for',
        { runId: 'planned', epoch: 1, worldSize: 3 },
        'FAILED_PRECONDITION',
        'WORLD_SIZE_MISMATCH',
        ['world_size is 3', 'planned for 2'],
      ),
      row(
        'start_position past the end of a plan that is there',
        { runId: 'planned', epoch: 1, worldSize: 2, startPosition: 51 },
        'OUT_OF_RANGE',
        'POSITION_OUT_OF_RANGE',
        ['start_position is 51', '50 positions'],
      ),
      row(
        'start_position past the end of a plan to be made',
        { runId: 'new', startPosition: 101 },
        'OUT_OF_RANGE',
        'POSITION_OUT_OF_RANGE',
        ['start_position is 101', '100 positions'],
      ),
      row('a finished run', { runId: 'finished', epoch: 1 }, 'FAILED_PRECONDITION', 'RUN_FINISHED', ['"finished"']),
      row('a finished run, its last plan', { runId: 'finished' }, 'FAILED_PRECONDITION', 'RUN_FINISHED', [
        '"finished"',
      ]),
    ],
  )

  test('says in PreconditionFailure what does not hold', async () => {
    const { precondition } = await refused(sampler.plan({ runId: 'new', epoch: 5 }))
    expect(precondition?.violations).toMatchObject([{ type: 'WRONG_EPOCH', subject: 'new' }])
  })

  test('a rank that states another world size than the ranks that wait, and keeps them waiting', async () => {
    await sampler.createRun('disagree', { sampleCount: 100 })
    const before = await sampler.dump()
    const first = sampler.plan({ runId: 'disagree', rank: 0, worldSize: 2 })
    await sampler.getRun('disagree')
    const refusal = await refused(sampler.plan({ runId: 'disagree', rank: 1, worldSize: 3 }, serverDeadline(5_000)))
    expect(refusal).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'WORLD_SIZE_MISMATCH' })
    expect(refusal.precondition?.violations).toMatchObject([{ type: 'WORLD_SIZE_MISMATCH', subject: 'world_size' }])
    expect(refusal.text).toContain('world_size is 3')
    expect(refusal.text).toContain('with 2')
    expect(await sampler.dump()).toBe(before)
    const second = await sampler.plan({ runId: 'disagree', rank: 1, worldSize: 2 })
    expect((await first).header.digest).toEqual(second.header.digest)
  })
})

test('start_position at the end of the plan answers the header alone', async () => {
  const { header, chunks } = await sampler.plan({ runId: 'planned', epoch: 1, worldSize: 2, startPosition: 50 })
  expect(header.positionCount).toBe(50)
  expect(chunks).toEqual([])
})

test.each(['finish', 'delete'] as const)('%s ends the calls that wait for a plan', async (ending) => {
  const runId = `to-${ending}`
  await sampler.createRun(runId, { sampleCount: 100 })
  const waiting = refused(sampler.plan({ runId, rank: 0, worldSize: 2 }))
  await sampler.getRun(runId)
  if (ending === 'finish') await sampler.finishRun(runId)
  else await sampler.deleteRun(runId)
  expect(await waiting).toMatchObject(
    ending === 'finish'
      ? { code: 'FAILED_PRECONDITION', reason: 'RUN_FINISHED' }
      : { code: 'NOT_FOUND', reason: 'RUN_NOT_FOUND' },
  )
})
