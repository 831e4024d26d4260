import { PlanReason, RunServiceService } from '@keepset/proto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../../support/calls.js'
import { TestSampler } from '../../support/test-sampler.js'

const SAMPLE_COUNT = 600_000
const POSITIONS = SAMPLE_COUNT / 2

let sampler: TestSampler
let indices: readonly number[]
beforeAll(async () => {
  sampler = await TestSampler.start()
  await sampler.createRun('large', { sampleCount: SAMPLE_COUNT })
  const plans = await sampler.planAll(2, { runId: 'large' })
  indices = plans[1]?.indices ?? []
})
afterAll(() => sampler.stop())

const planFrom = (startPosition: number) => sampler.plan({ runId: 'large', rank: 1, worldSize: 2, startPosition })

describe('a large plan', () => {
  test('comes in chunks of at most 1 MB, in order, each with its position', async () => {
    const { header, chunks } = await planFrom(0)
    expect(header).toMatchObject({
      epoch: 0,
      keptCount: SAMPLE_COUNT,
      sampleCount: SAMPLE_COUNT,
      positionCount: POSITIONS,
      saving: 0,
      selectionEpoch: 0,
      reason: PlanReason.PLAN_REASON_WARMUP,
    })
    expect(header.digest).toHaveLength(32)
    expect(chunks.length).toBeGreaterThan(1)
    let position = 0
    for (const { startPosition, sampleIndices } of chunks) {
      expect(startPosition).toBe(position)
      expect(sampleIndices.length).toBeGreaterThan(0)
      expect(sampleIndices.length).toBeLessThanOrEqual(1_000_000)
      position += sampleIndices.length / 4
    }
    expect(position).toBe(POSITIONS)
    expect(new Set(indices).size).toBe(POSITIONS)
  })

  test.each([0, 1, 249_855, 249_856, 280_001, POSITIONS - 1, POSITIONS])('resumes at position %i', async (start) => {
    const { header, chunks, indices: rest } = await planFrom(start)
    expect(header.positionCount).toBe(POSITIONS)
    expect(chunks[0]?.startPosition ?? POSITIONS).toBe(start)
    expect(rest).toEqual(indices.slice(start))
  })

  test('is the one that was made, also while the reports of its epoch come in', async () => {
    await sampler.createRun('reported', { sampleCount: 1000, pruneRate: 0.5, warmupEpochs: 0, selectionPeriod: 1 })
    const plan = await sampler.plan({ runId: 'reported' })
    await sampler.report({ runId: 'reported', sequence: 1, indices: plan.indices })
    const again = await sampler.plan({ runId: 'reported' })
    expect(again).toEqual({ ...plan, header: { ...plan.header, appliedSequence: 1 } })
  })
})

describe('the header', () => {
  test('says why the kept set is what it is, and the saving so far', async () => {
    await sampler.createRun('reasons', {
      sampleCount: 10,
      pruneRate: 0.5,
      selectionPeriod: 2,
      totalEpochs: 5,
      tailEpochs: 1,
    })
    const headers = []
    for (let epoch = 0; epoch < 5; epoch++) headers.push((await sampler.plan({ runId: 'reasons', epoch })).header)
    expect(headers.map(({ reason, keptCount, selectionEpoch }) => [reason, keptCount, selectionEpoch])).toEqual([
      [PlanReason.PLAN_REASON_WARMUP, 10, 0],
      [PlanReason.PLAN_REASON_SELECTED, 5, 1],
      [PlanReason.PLAN_REASON_REUSED, 5, 1],
      [PlanReason.PLAN_REASON_SELECTED, 5, 3],
      [PlanReason.PLAN_REASON_TAIL, 10, 4],
    ])
    expect(headers.map(({ saving }) => saving)).toEqual(
      [0, 5, 10, 15, 15].map((left, i) => 1 - (10 * (i + 1) - left) / (10 * (i + 1))),
    )
    expect((await sampler.getRun('reasons')).progress).toMatchObject({
      epochsPlanned: 5,
      samplesPlanned: 35n,
      saving: 0.30000000000000004,
    })
  })

  test('says which report of the rank in this epoch was applied last', async () => {
    const runId = 'applied'
    await sampler.createRun(runId, { sampleCount: 20 })
    const applied = async (epoch: number) => {
      const plans = await sampler.planAll(2, { runId, epoch })
      return plans.map(({ header }) => header.appliedSequence)
    }
    expect(await applied(0)).toEqual([0, 0])
    const [first, second] = await sampler.planAll(2, { runId })
    const report = (rank: number, sequence: number) =>
      sampler.report({ runId, rank, sequence, indices: (rank === 0 ? first : second)?.indices.slice(0, 3) ?? [] })
    await report(1, 1)
    await report(1, 2)
    expect(await applied(0)).toEqual([0, 2])
    await report(0, 1)
    await report(1, 2) // Known already.
    expect(await applied(0)).toEqual([1, 2])
    // Whatever part of the plan is asked for.
    const rest = await sampler.plan({ runId, rank: 1, worldSize: 2, startPosition: 6 })
    expect(rest.header.appliedSequence).toBe(2)
    expect(await applied(1)).toEqual([0, 0])
    await ask(sampler.runs, RunServiceService.rewindRun, { runId, epoch: 0, generation: 1 })
    expect(await applied(0)).toEqual([0, 0])
  })

  test('counts positions: PAD repeats the first sample of a short rank, DROP leaves out the last ones', async () => {
    await sampler.createRun('pad', { sampleCount: 10, shardMode: 1, positionMultiple: 4 })
    const padded = await sampler.planAll(3, { runId: 'pad' })
    for (const [rank, { header, indices: positions }] of padded.entries()) {
      const own = rank === 0 ? 4 : 3
      expect(header.positionCount).toBe(4)
      expect(positions.slice(own)).toEqual(positions.slice(own).map(() => positions[0]))
      expect(new Set(positions).size).toBe(own)
    }
    await sampler.createRun('drop', { sampleCount: 10, shardMode: 2 })
    const dropped = await sampler.planAll(3, { runId: 'drop' })
    expect(dropped.map(({ indices: positions }) => positions.length)).toEqual([3, 3, 3])
    expect(new Set(dropped.flatMap(({ indices: positions }) => positions)).size).toBe(9)
    expect(dropped[0]?.header.keptCount).toBe(10)
  })
})
