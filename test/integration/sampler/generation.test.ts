import { RunServiceService } from '@keepset/proto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../../support/calls.js'
import { decodeRefusal, refused } from '../../support/refusal.js'
import { type RefusalRow, testRefusals } from '../../support/refusal-table.js'
import { lossReport, TestSampler } from '../../support/test-sampler.js'

let sampler: TestSampler
beforeAll(async () => {
  sampler = await TestSampler.start()
  await sampler.createRun('rewound', { sampleCount: 20 })
  await sampler.plan({ runId: 'rewound' })
  await rewind('rewound', 0, 1)
  await sampler.plan({ runId: 'rewound' })
})
afterAll(() => sampler.stop())

async function rewind(runId: string, epoch: number, generation: number) {
  return (await ask(sampler.runs, RunServiceService.rewindRun, { runId, epoch, generation })).run
}

const STALE = { code: 'ABORTED', reason: 'STALE_GENERATION' } as const

describe('a caller of another life of the run is refused', () => {
  const rows = ([1, 3] as const).flatMap((generation): RefusalRow[] => {
    const row = (name: string, call: RefusalRow['call']): RefusalRow => ({
      name: `${name} of generation ${generation}`,
      call,
      ...STALE,
      text: [`generation is ${generation}`, 'generation 2', '"rewound"'],
    })
    const report = { runId: 'rewound', sequence: 1, generation, indices: [0] }
    return [
      row('PlanEpoch for the next epoch', (on) => on.plan({ runId: 'rewound', epoch: 1, generation })),
      row('PlanEpoch for the planned epoch', (on) => on.plan({ runId: 'rewound', epoch: 0, generation })),
      row('ReportLosses', (on) => on.report(report)),
      row('StreamReports', async (on) => {
        const stream = on.openReports()
        stream.send(lossReport(report))
        await stream.finish()
      }),
      row('RewindRun', (on) => ask(on.runs, RunServiceService.rewindRun, { runId: 'rewound', epoch: 1, generation })),
    ]
  })
  testRefusals(() => sampler, rows)
})

test('a run begins in generation 1, and its plans say so', async () => {
  expect(await sampler.createRun('new', { sampleCount: 10 })).toMatchObject({ generation: 1, epochStarts: [0] })
  for (const generation of [0, 1]) {
    expect((await sampler.plan({ runId: 'new', generation })).header.generation).toBe(1)
    const ack = await sampler.report({ runId: 'new', sequence: 1 + generation, generation, indices: [generation] })
    expect(ack).toMatchObject({ duplicate: false, observationCount: 1 })
  }
})

test('a rewind ends the calls that wait for a plan, whether they state a generation or not', async () => {
  await sampler.createRun('waited-for', { sampleCount: 20 })
  const waiting = [0, 1].map((generation) =>
    refused(sampler.plan({ runId: 'waited-for', rank: generation, worldSize: 3, generation })),
  )
  await sampler.getRun('waited-for') // Behind them on the same connection.
  expect(await rewind('waited-for', 0, 1)).toMatchObject({ generation: 2, nextEpoch: 0 })
  for (const refusal of await Promise.all(waiting)) expect(refusal).toMatchObject(STALE)
  // None of them holds a place in the barrier of the new life.
  const plans = await sampler.planAll(2, { runId: 'waited-for', generation: 2 })
  expect(plans.map(({ header }) => [header.generation, header.positionCount])).toEqual([
    [2, 10],
    [2, 10],
  ])
})

test('a rewind ends a stream of reports of the old life with its next report; that one counts nothing', async () => {
  const runId = 'reported-to'
  await sampler.createRun(runId, { sampleCount: 20 })
  await sampler.plan({ runId })
  const stream = sampler.openReports()
  stream.send(lossReport({ runId, sequence: 1, generation: 1, indices: [3] }))
  await stream.acknowledged(1)
  await rewind(runId, 0, 1)
  await sampler.plan({ runId, generation: 2 })
  stream.send(lossReport({ runId, sequence: 1, generation: 1, indices: [4] }))
  const error = await stream.ended
  expect(decodeRefusal(error)).toMatchObject(STALE)
  expect((await sampler.getRun(runId)).progress).toMatchObject({ reports: 0n, observations: 0n })
  const ack = await sampler.report({ runId, sequence: 1, generation: 2, indices: [3] })
  expect(ack).toMatchObject({ duplicate: false, observationCount: 1 })
})
