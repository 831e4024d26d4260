import { status } from '@grpc/grpc-js'
import { RunServiceService, StaticMetric } from '@keepset/proto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../../support/calls.js'
import { refused } from '../../support/refusal.js'
import { type RefusalRow, testRefusals } from '../../support/refusal-table.js'
import { lossReport, TestSampler } from '../../support/test-sampler.js'

let sampler: TestSampler
beforeAll(async () => {
  sampler = await TestSampler.start({ maxSamples: 1000 })
  await sampler.createRun('taken', { sampleCount: 100, pruneRate: 0.5 })
})
afterAll(() => sampler.stop())

type Spec = Parameters<TestSampler['createRun']>[1]

/** CreateRun with one field wrong. */
function badSpec(field: string, spec: Spec, ...text: string[]): RefusalRow {
  const path = `spec.${field}`
  return {
    name: `${path}: ${text.join(', ')}`,
    call: (on) => on.createRun('new', { sampleCount: 100, pruneRate: 0.5, ...spec }),
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_FIELD',
    field: path,
    text: [path, ...text],
  }
}

const epsilonGreedy = (value: object): Spec => ({ policy: { $case: 'epsilonGreedy', value } }) as Spec
const ucb = (value: object): Spec => ({ policy: { $case: 'ucb', value } }) as Spec
const backlog = (value: object): Spec => ({ policy: { $case: 'backlog', value } }) as Spec

describe('CreateRun refuses', () => {
  testRefusals(
    () => sampler,
    [
      badSpec('sample_count', { sampleCount: 0, pruneRate: 0 }, ' 0;'),
      badSpec('prune_rate', { pruneRate: 1 }, ' 1;'),
      badSpec('prune_rate', { pruneRate: -0.25 }, '-0.25'),
      badSpec('prune_rate', { pruneRate: Number.NaN }, 'NaN'),
      badSpec('prune_rate', { pruneRate: Number.POSITIVE_INFINITY }, 'Infinity'),
      badSpec('prune_rate', { pruneRate: 0.995 }, '0.995', 'keeps none of 100'),
      badSpec('prune_rate', { policy: { $case: 'full', value: {} } }, '0.5'),
      badSpec('prune_rate_schedule[0].prune_rate', { pruneRateSchedule: [{ fromEpoch: 3, pruneRate: 1.5 }] }, '1.5'),
      badSpec(
        'prune_rate_schedule[1].prune_rate',
        {
          pruneRateSchedule: [
            { fromEpoch: 3, pruneRate: 0.1 },
            { fromEpoch: 4, pruneRate: 0.999 },
          ],
        },
        '0.999',
        'keeps none of 100',
      ),
      badSpec(
        'prune_rate_schedule[1].from_epoch',
        {
          pruneRateSchedule: [
            { fromEpoch: 3, pruneRate: 0.1 },
            { fromEpoch: 3, pruneRate: 0.2 },
          ],
        },
        ' 3;',
      ),
      badSpec('total_epochs', { totalEpochs: 0 }, ' 0;'),
      badSpec('selection_period', { selectionPeriod: 0 }, ' 0;'),
      badSpec('tail_epochs', { tailEpochs: 2 }, ' 2 ', 'spec.total_epochs'),
      badSpec('tail_epochs', { tailEpochs: 3, warmupEpochs: 2, totalEpochs: 4 }, ' 3 ', ' 2 ', ' 4'),
      badSpec('shard_mode', { shardMode: 7 as never }, ' 7,'),
      badSpec('position_multiple', { positionMultiple: 0 }, ' 0;'),
      badSpec('position_multiple', { positionMultiple: 1048577 }, '1048577'),
      badSpec('non_finite', { nonFinite: 9 as never }, ' 9,'),
      badSpec('metrics', { metrics: [...'abcdefghi'] }, '9 names', 'at most 8'),
      badSpec('metrics[0]', { metrics: [''] }, '""'),
      badSpec('metrics[1]', { metrics: ['ok', 'Correct'] }, '"Correct"', 'a to z'),
      badSpec('metrics[0]', { metrics: ['2nd'] }, '"2nd"'),
      badSpec('metrics[0]', { metrics: ['a-b'] }, '"a-b"'),
      badSpec('metrics[0]', { metrics: ['x\n'] }, '"x\\n"'),
      badSpec('metrics[0]', { metrics: ['x'.repeat(33)] }, 'xxx', '31 more'),
      badSpec('metrics[2]', { metrics: ['a', 'b', 'a'] }, '"a"', 'spec.metrics[0]'),
      badSpec('policy', { policy: undefined as never }, 'not set'),
      badSpec('epsilon_greedy.epsilon', epsilonGreedy({ epsilon: 1.5 }), '1.5'),
      badSpec('epsilon_greedy.epsilon', epsilonGreedy({ epsilon: -0.5 }), '-0.5'),
      badSpec('epsilon_greedy.epsilon', epsilonGreedy({ epsilon: Number.NaN }), 'NaN'),
      badSpec('epsilon_greedy.alpha', epsilonGreedy({ alpha: 0 }), ' 0;'),
      badSpec('epsilon_greedy.initial', epsilonGreedy({ initial: 5 }), ' 5,'),
      badSpec('ucb.c', ucb({ c: -1 }), '-1'),
      badSpec('ucb.c', ucb({ c: Number.POSITIVE_INFINITY }), 'Infinity'),
      badSpec('ucb.alpha', ucb({ alpha: 1.01 }), '1.01'),
      badSpec('ucb.alpha', ucb({ alpha: Number.NaN }), 'NaN'),
      badSpec('ucb.initial', ucb({ initial: 4 }), ' 4,'),
      badSpec('backlog.alpha', backlog({ alpha: 0 }), ' 0;'),
      badSpec('backlog.initial', backlog({ initial: 6 }), ' 6,'),
      ...['', '.hidden', '-dash', 'a b', 'ä', 'a/b', 'x'.repeat(129), '🦀'.repeat(3000)].map(
        (runId): RefusalRow => ({
          name: `run_id ${JSON.stringify(runId.slice(0, 12))} of ${runId.length}`,
          call: (on) => on.createRun(runId, { sampleCount: 100 }),
          code: 'INVALID_ARGUMENT',
          reason: 'INVALID_FIELD',
          field: 'run_id',
          text: ['run_id', runId.slice(0, 24)],
        }),
      ),
      {
        name: 'no spec',
        call: (on) => ask(on.runs, RunServiceService.createRun, { runId: 'new', spec: undefined }),
        code: 'INVALID_ARGUMENT',
        reason: 'INVALID_FIELD',
        field: 'spec',
        text: ['spec is not set'],
      },
      {
        name: 'sample_count above the limit',
        call: (on) => on.createRun('new', { sampleCount: 1001 }),
        code: 'RESOURCE_EXHAUSTED',
        reason: 'TOO_MANY_SAMPLES',
        text: ['spec.sample_count', '1001', 'at most 1000'],
      },
      {
        name: 'a run_id that is taken with another spec',
        call: (on) => on.createRun('taken', { sampleCount: 100, pruneRate: 0.4 }),
        code: 'ALREADY_EXISTS',
        reason: 'RUN_EXISTS',
        text: ['"taken"', 'prune_rate'],
      },
      {
        name: 'a run_id that is taken without these metrics',
        call: (on) => on.createRun('taken', { sampleCount: 100, pruneRate: 0.5, metrics: ['correct'] }),
        code: 'ALREADY_EXISTS',
        reason: 'RUN_EXISTS',
        text: ['"taken"', 'spec.metrics is ["correct"], there []'],
      },
    ],
  )

  test('every bad field at once, and says so of each', async () => {
    const refusal = await refused(
      sampler.createRun('new', { sampleCount: 0, pruneRate: 2, totalEpochs: 0, ...ucb({ c: -1, alpha: 7 }) }),
    )
    const fields = ['spec.sample_count', 'spec.prune_rate', 'spec.total_epochs', 'spec.ucb.c', 'spec.ucb.alpha']
    expect([...refusal.fields].sort()).toEqual(fields.sort())
  })

  test('a thousand bad entries in one answer of bounded size', async () => {
    const pruneRateSchedule = Array.from({ length: 1000 }, () => ({ fromEpoch: 1, pruneRate: 2 }))
    const refusal = await refused(sampler.createRun('new', { sampleCount: 100, pruneRateSchedule }))
    expect(refusal).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' })
    expect(refusal.fields[0]).toBe('spec.prune_rate_schedule[0].prune_rate')
    expect(refusal.trailerBytes).toBeLessThan(8 * 1024)
  })

  test('a name of a megabyte in one answer of bounded size', async () => {
    const staticScore = { metric: StaticMetric.STATIC_METRIC_EL2N, scoresFrom: ['x'.repeat(1_000_000)] }
    const policy = { $case: 'staticScore', value: staticScore } as const
    const refusal = await refused(sampler.createRun('new', { sampleCount: 100, policy }))
    expect(refusal).toMatchObject({ code: 'INVALID_ARGUMENT', fields: ['spec.static_score.scores_from[0]'] })
    expect(refusal.trailerBytes).toBeLessThan(8 * 1024)
  })
})

describe('a run that is not there', () => {
  const unknown = (name: string, call: RefusalRow['call'], runId = 'nobody'): RefusalRow => ({
    name,
    call,
    code: 'NOT_FOUND',
    reason: 'RUN_NOT_FOUND',
    text: [runId.slice(0, 50)],
  })
  const long = 'x'.repeat(100_000)
  testRefusals(
    () => sampler,
    [
      unknown('GetRun', (on) => on.getRun('nobody')),
      unknown('GetRun with a run_id of 100,000 characters', (on) => on.getRun(long), long),
      unknown('FinishRun', (on) => on.finishRun('nobody')),
      unknown('DeleteRun', (on) => on.deleteRun('nobody')),
      unknown('PlanEpoch', (on) => on.plan({ runId: 'nobody' })),
      unknown('ReportLosses', (on) => on.report({ runId: 'nobody', sequence: 1, indices: [0] })),
      unknown('StreamReports', async (on) => {
        const reports = on.openReports()
        reports.send(lossReport({ runId: 'nobody', sequence: 1, indices: [0] }))
        await reports.finish()
      }),
    ],
  )

  test('is named in ResourceInfo', async () => {
    const { resource } = await refused(sampler.getRun('nobody'))
    expect(resource).toMatchObject({ resourceType: 'keepset.v1.Run', resourceName: 'nobody' })
  })
})

describe('ListRuns refuses', () => {
  const list =
    (pageSize: number, pageToken: string): RefusalRow['call'] =>
    (on) =>
      ask(on.runs, RunServiceService.listRuns, { pageSize, pageToken })
  const badField = { code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' } as const
  testRefusals(
    () => sampler,
    [
      { name: 'page_size', call: list(1001, ''), ...badField, field: 'page_size', text: ['page_size is 1001'] },
      { name: 'page_token', call: list(10, '!!'), ...badField, field: 'page_token', text: ['page_token', '!!'] },
    ],
  )
})

test('limits the number of runs, says when to try again, and takes one more once one is deleted', async () => {
  const small = await TestSampler.start({ maxRuns: 2 })
  try {
    await small.createRun('a', { sampleCount: 10 })
    await small.createRun('b', { sampleCount: 10 })
    const before = await small.dump()
    const refusal = await refused(small.createRun('c', { sampleCount: 10 }))
    expect(refusal).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_MANY_RUNS', domain: 'keepset.dev' })
    expect(refusal.retrySeconds).toBeGreaterThan(0)
    expect(refusal.text).toContain('2')
    expect(await small.dump()).toBe(before)
    expect((await small.createRun('a', { sampleCount: 10 })).runId).toBe('a')
    await small.deleteRun('a')
    expect((await small.createRun('c', { sampleCount: 10 })).runId).toBe('c')
  } finally {
    await small.stop()
  }
})

test('the same run_id with the same spec answers the run that is there, defaults given or not', async () => {
  await sampler.createRun('same', { sampleCount: 100, pruneRate: 0.5 })
  const { indices } = await sampler.plan({ runId: 'same' })
  expect(indices).toHaveLength(100)
  const again = await sampler.createRun('same', {
    sampleCount: 100,
    pruneRate: 0.5,
    warmupEpochs: 1,
    selectionPeriod: 10,
  })
  expect(again.nextEpoch).toBe(1)
  expect(again.spec).toEqual((await sampler.getRun('same')).spec)
})

test('metrics are part of the spec, in their order', async () => {
  const metrics = ['correct', 'a23456789_123456789_123456789_12', 'c', 'd', 'e', 'f', 'g', 'h']
  const run = await sampler.createRun('metrics', { sampleCount: 10, metrics })
  expect(run.spec?.metrics).toEqual(metrics)
  expect(await sampler.createRun('metrics', { sampleCount: 10, metrics })).toEqual(run)
  const turned = await refused(sampler.createRun('metrics', { sampleCount: 10, metrics: metrics.toReversed() }))
  expect(turned.reason).toBe('RUN_EXISTS')
})

test('pages through runs in the order of their run_id', async () => {
  const { runs } = sampler
  const first = await ask(runs, RunServiceService.listRuns, { pageSize: 1000, pageToken: '' })
  const all = first.runs.map(({ runId }) => runId)
  expect(all).toEqual([...all].sort())
  expect(first.nextPageToken).toBe('')
  const paged: string[] = []
  let pageToken = ''
  do {
    const page = await ask(runs, RunServiceService.listRuns, { pageSize: 2, pageToken })
    expect(page.runs.length).toBeLessThanOrEqual(2)
    paged.push(...page.runs.map(({ runId }) => runId))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  expect(paged).toEqual(all)
})

test('an unknown RPC is UNIMPLEMENTED', async () => {
  const method = { ...RunServiceService.getRun, path: '/keepset.v1.RunService/Nonsense' }
  const error = await ask(sampler.runs, method, { runId: 'taken' }).catch((cause: { code: number }) => cause)
  expect(error).toMatchObject({ code: status.UNIMPLEMENTED })
})
