import { LossReport, RunState } from '@keepset/proto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packIndices, packLosses } from '../../support/calls.js'
import { refused } from '../../support/refusal.js'
import { type RefusalRow, testRefusals } from '../../support/refusal-table.js'
import { lossReport, type PlainReport, TestSampler } from '../../support/test-sampler.js'

let sampler: TestSampler
/** Indices of the plans of run "run", by rank. */
let indices: (readonly number[])[]

beforeAll(async () => {
  sampler = await TestSampler.start()
  await sampler.createRun('new', { sampleCount: 100 })
  await sampler.createRun('run', { sampleCount: 100, pruneRate: 0.4, warmupEpochs: 0, selectionPeriod: 1 })
  for (const epoch of [0, 1]) {
    indices = (await sampler.planAll(2, { runId: 'run', epoch })).map((plan) => plan.indices)
  }
  await sampler.report(report(1, {}))
  await sampler.report(report(2, {}))
  await sampler.createRun('strict', { sampleCount: 10, nonFinite: 2, metrics: ['correct', 'margin'] })
  await sampler.plan({ runId: 'strict' })
  await sampler.createRun('finished', { sampleCount: 10 })
  await sampler.plan({ runId: 'finished' })
  await sampler.report({ runId: 'finished', sequence: 1, indices: [3] })
  await sampler.finishRun('finished')
})
afterAll(() => sampler.stop())

/** The report of rank 0 of run "run" in epoch 1, of its first sample, with some of it changed. */
function report(sequence: number, change: Partial<PlainReport>): PlainReport {
  return { runId: 'run', epoch: 1, sequence, indices: (indices[0] ?? []).slice(0, 1), ...change }
}

/** A refused report, sent over each of the two RPCs. */
function both(
  name: string,
  make: () => LossReport | undefined,
  rest: Pick<RefusalRow, 'code' | 'reason' | 'text'> & { readonly field?: string },
): RefusalRow[] {
  return [
    { ...rest, name: `${name} (ReportLosses)`, call: (on) => on.reportRaw(make()) },
    {
      ...rest,
      name: `${name} (StreamReports)`,
      call: async (on) => {
        const stream = on.openReports()
        stream.send(make())
        await stream.ended.then((error) => Promise.reject(error))
      },
    },
  ]
}

const badField = (field: string, name: string, make: () => LossReport | undefined, ...text: string[]) =>
  both(name, make, { code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD', field, text: [field, ...text] })

const precondition = (reason: string, name: string, make: () => PlainReport, ...text: string[]) =>
  both(name, () => lossReport(make()), { code: 'FAILED_PRECONDITION', reason, text })

const missing = () => {
  const planned = new Set(indices.flat())
  return Array.from({ length: 100 }, (_, index) => index).filter((index) => !planned.has(index))
}

const withMetrics = (...metrics: [name: string, values: readonly number[]][]) => {
  const report = lossReport({ runId: 'strict', sequence: 1, indices: [0, 1] })
  return () => ({ ...report, metrics: metrics.map(([name, values]) => ({ name, values: packLosses(values) })) })
}

const packed = (change: Partial<LossReport>) => () =>
  LossReport.fromPartial({ ...lossReport(report(3, {})), ...change })

describe('a report is refused for', () => {
  testRefusals(
    () => sampler,
    [
      ...badField('report', 'no report', () => undefined, 'not set'),
      ...badField('sequence', 'sequence 0', () => lossReport(report(0, {})), 'is 0'),
      ...badField('rank', 'rank = world size', () => lossReport(report(1, { rank: 2 })), 'is 2', 'world size 2'),
      ...badField('sample_indices', 'no samples', () => lossReport(report(3, { indices: [] })), 'empty'),
      ...badField('sample_indices', 'half an index', packed({ sampleIndices: Buffer.alloc(6) }), '6 bytes'),
      ...badField('losses', 'a quarter of a loss', packed({ losses: Buffer.alloc(5) }), '5 bytes'),
      ...badField('losses', 'more losses than indices', packed({ losses: packLosses([1, 2]) }), '2', '1'),
      ...badField('losses', 'no losses', packed({ losses: packLosses([]) }), '0', '1'),
      ...badField(
        'sample_indices',
        'index = N',
        () => lossReport(report(3, { indices: [100] })),
        '[0] is 100',
        '0 to 99',
      ),
      ...badField(
        'sample_indices',
        'a bad index behind good ones',
        () => lossReport(report(3, { indices: [...(indices[0] ?? []).slice(0, 3), 0xffffffff] })),
        '[3] is 4294967295',
      ),
      ...badField(
        'sample_indices',
        'a sample that was left out',
        () => lossReport(report(3, { indices: missing().slice(0, 1) })),
        'not in the plan of rank 0 for epoch 1',
      ),
      ...badField(
        'sample_indices',
        "another rank's sample",
        () => lossReport(report(3, { indices: (indices[1] ?? []).slice(0, 1) })),
        'not in the plan of rank 0 for epoch 1',
      ),
      ...badField(
        'losses',
        'NaN where the run refuses it',
        () => lossReport({ runId: 'strict', sequence: 1, indices: [0, 1], losses: [1, Number.NaN] }),
        'losses[1]',
        'NaN',
      ),
      ...badField(
        'losses',
        '-Infinity where the run refuses it',
        () => lossReport({ runId: 'strict', sequence: 1, indices: [7], losses: [Number.NEGATIVE_INFINITY] }),
        'losses[0]',
        'sample 7',
        '-Infinity',
      ),
      ...badField(
        'report.metrics[1].name',
        'a metric that the run does not have',
        withMetrics(['margin', [1, 2]], ['correkt', [1, 2]]),
        'is "correkt"',
        'correct, margin',
        'spec.metrics',
      ),
      ...badField(
        'report.metrics[0].name',
        'a metric of a run that has none',
        packed({ metrics: [{ name: 'correct', values: packLosses([1]) }] }),
        'has no metrics',
      ),
      ...badField(
        'report.metrics[2].name',
        'a metric given twice',
        withMetrics(['correct', [1, 2]], ['margin', [1, 2]], ['correct', [1, 2]]),
        'as report.metrics[0].name is',
      ),
      ...badField(
        'report.metrics[1].values',
        'fewer values than indices',
        withMetrics(['correct', [1, 2]], ['margin', [1]]),
        'of "margin"',
        '1',
        '2',
      ),
      ...badField('report.metrics[0].values', 'no values', withMetrics(['correct', []]), '0', '2'),
      ...badField(
        'report.metrics[0].values',
        'a quarter of a value',
        packed({ metrics: [{ name: 'correct', values: Buffer.alloc(5) }] }),
        '5 bytes',
      ),
      ...precondition(
        'WRONG_EPOCH',
        'no plan yet',
        () => report(1, { runId: 'new', epoch: 0 }),
        'epoch is 0',
        'PlanEpoch',
      ),
      ...precondition('WRONG_EPOCH', 'a past epoch', () => report(1, { epoch: 0 }), 'epoch is 0', 'epoch 1'),
      ...precondition('WRONG_EPOCH', 'a future epoch', () => report(3, { epoch: 2 }), 'epoch is 2', 'epoch 1'),
      ...precondition('SEQUENCE_GAP', 'a gap', () => report(4, {}), 'sequence is 4', 'is 3'),
      ...precondition(
        'SEQUENCE_GAP',
        'a first report that is not 1',
        () => report(2, { rank: 1 }),
        'sequence is 2',
        'is 1',
      ),
      ...precondition(
        'RUN_FINISHED',
        'a finished run',
        () => report(2, { runId: 'finished', epoch: 0, indices: [4] }),
        '"finished"',
      ),
    ],
  )

  test('its sequence: PreconditionFailure names the run', async () => {
    const { precondition } = await refused(sampler.report(report(9, {})))
    expect(precondition?.violations).toMatchObject([{ type: 'SEQUENCE_GAP', subject: 'run' }])
  })
})

test('a refused report leaves its sequence free for a good one', async () => {
  await sampler.createRun('again', { sampleCount: 10 })
  await sampler.plan({ runId: 'again' })
  await refused(sampler.report({ runId: 'again', sequence: 1, indices: [1, 2, 3, 10] }))
  const ack = await sampler.report({ runId: 'again', sequence: 1, indices: [1, 2, 3] })
  expect(ack).toMatchObject({ duplicate: false, observationCount: 3, repeatCount: 0 })
})

test('NaN and infinite losses are counted and change nothing where the run ignores them', async () => {
  await sampler.createRun('ignore', { sampleCount: 10 })
  await sampler.plan({ runId: 'ignore' })
  const losses = [Number.NaN, 2, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  const first = await sampler.report({ runId: 'ignore', sequence: 1, indices: [0, 1, 2, 3], losses })
  expect(first).toMatchObject({ observationCount: 1, nonFiniteCount: 3, repeatCount: 0 })
  // A sample whose loss did not count has not had its loss of the epoch yet.
  const second = await sampler.report({ runId: 'ignore', sequence: 2, indices: [0, 1], losses: [5, 6] })
  expect(second).toMatchObject({ observationCount: 1, nonFiniteCount: 0, repeatCount: 1 })
  const { progress } = await sampler.getRun('ignore')
  expect(progress).toMatchObject({ reports: 2n, observations: 2n, nonFinite: 3n, repeats: 1n })
})

test('a report that a finished run has already is acknowledged', async () => {
  const before = await sampler.dump()
  const ack = await sampler.report({ runId: 'finished', sequence: 1, indices: [3] })
  expect(ack).toMatchObject({ duplicate: true, observationCount: 0 })
  expect(await sampler.dump()).toBe(before)
  expect((await sampler.finishRun('finished')).state).toBe(RunState.RUN_STATE_FINISHED)
  expect(await sampler.dump()).toBe(before)
})

test('indices may lie anywhere in the message, aligned or not', async () => {
  const sampleIndices = packIndices([5, 6, 7])
  const losses = packLosses([1, 2, 3])
  for (const runId of ['u', 'un', 'una', 'unal']) {
    await sampler.createRun(runId, { sampleCount: 10 })
    await sampler.plan({ runId })
    const report = { runId, epoch: 0, rank: 0, sequence: 1, generation: 0, sampleIndices, losses, metrics: [] }
    expect((await sampler.reportRaw(report)).observationCount).toBe(3)
  }
})
