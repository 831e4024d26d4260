import { type ServerWritableStream, status } from '@grpc/grpc-js'
import { type PlanEpochRequest, type PlanEpochResponse, PlanHeader, PlanReason } from '@keepset/proto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Batch } from './batches.js'
import { InvalidArgumentError, PreconditionError } from './errors.js'
import { pack, unpackF32, unpackU32 } from './packed.js'
import type { PlanPositions } from './plan-positions.js'
import { deferred } from './testing/deferred.js'
import { startRun, stopRuns } from './testing/scripted-run.js'
import { drain, errorInfo, statusOf } from './testing/scripted-sampler.js'

afterEach(stopRuns)

async function batchesOf(positions: PlanPositions, size: number): Promise<Batch[]> {
  const batches: Batch[] = []
  for await (const batch of positions.batches(size)) batches.push(batch)
  return batches
}

const one = Uint32Array.of(1)

type PlanCall = ServerWritableStream<PlanEpochRequest, PlanEpochResponse>

function writeHeader(call: PlanCall, positionCount: number) {
  const reason = PlanReason.PLAN_REASON_SELECTED
  const value = PlanHeader.fromPartial({ scoreOnly: true, positionCount, generation: 1, reason })
  call.write({ part: { $case: 'header', value } })
}

/** Index i stands at position i. */
function writeChunk(call: PlanCall, startPosition: number, count: number) {
  const sampleIndices = pack(Uint32Array.from({ length: count }, (_, i) => startPosition + i))
  call.write({ part: { $case: 'chunk', value: { startPosition, sampleIndices, weights: Buffer.alloc(0) } } })
}

describe('batches', () => {
  it('have the weights of their samples, where the plan has any', async () => {
    const { run } = await startRun({ positionCount: 5, hasWeights: true })
    const plan = await run.planEpoch(0, { startPosition: 1 })
    expect(plan.hasWeights).toBe(true)
    expect(await batchesOf(plan, 3)).toEqual([
      { indices: Uint32Array.of(1, 2, 3), weights: Float32Array.of(1.5, 2.5, 3.5), startPosition: 1 },
      { indices: Uint32Array.of(4), weights: Float32Array.of(4.5), startPosition: 4 },
    ])
    expect(await plan.indices()).toEqual(Uint32Array.of(1, 2, 3, 4))
  })

  it('have no weights where the plan has none', async () => {
    const { run } = await startRun({ positionCount: 2 })
    const plan = await run.planEpoch(0)
    expect(plan.hasWeights).toBe(false)
    expect(await batchesOf(plan, 3)).toEqual([{ indices: Uint32Array.of(0, 1), weights: undefined, startPosition: 0 }])
  })
})

describe('scoring', () => {
  it('hands out what the epoch left out, and its reports go on after those of the plan', async () => {
    const { run, asked, reported } = await startRun({ positionCount: 3, scoreCount: 5, hasWeights: true })
    const plan = await run.planEpoch(4, { rank: 1, worldSize: 2 })
    for await (const batch of plan.batches(2)) plan.report(batch, batch.indices)
    const scoring = plan.scoring()
    expect(scoring).toMatchObject({ epoch: 4, rank: 1, positionCount: 5, startPosition: 0 })
    const starts: number[] = []
    for await (const batch of scoring.batches(2)) {
      expect(batch.weights).toBeUndefined()
      starts.push(batch.startPosition)
      scoring.report(batch, batch.indices, { correct: batch.indices })
    }
    expect(starts).toEqual([0, 2, 4])
    await run.planEpoch(5, { rank: 1, worldSize: 2 })
    expect(reported.map((report) => [report.epoch, report.rank, report.sequence])).toEqual(
      [1, 2, 3, 4, 5].map((sequence) => [4, 1, sequence]),
    )
    expect(reported.flatMap(({ sampleIndices }) => [...unpackU32(sampleIndices)])).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(reported.map(({ metrics }) => metrics.length)).toEqual([0, 0, 1, 1, 1])
    expect(asked.map(({ epoch, scoreOnly, lastSequence }) => [epoch, scoreOnly, lastSequence])).toEqual([
      [4, false, 0],
      [4, true, 0],
      [5, false, 5],
    ])
    expect(asked[1]).toMatchObject({ runId: 'r', rank: 1, worldSize: 2, startPosition: 0, generation: 1 })
  })

  it('is empty where nothing is to be scored, and asks nobody', async () => {
    const { run, asked } = await startRun({ positionCount: 3 })
    const plan = await run.planEpoch(0)
    const scoring = plan.scoring()
    expect([plan.scoreCount, scoring.positionCount]).toEqual([0, 0])
    expect(await batchesOf(scoring, 2)).toEqual([])
    expect(await scoring.indices()).toEqual(new Uint32Array())
    expect(asked).toHaveLength(1)
  })

  it('goes on at a position after a restart, with the sequences that follow', async () => {
    const { run, asked, reported } = await startRun({ positionCount: 3, scoreCount: 5, appliedSequence: 7 })
    const plan = await run.planEpoch(4, { startPosition: 3 })
    const scoring = plan.scoring({ startPosition: 4 })
    expect(await scoring.indices()).toEqual(Uint32Array.of(7))
    for await (const batch of scoring.batches(2)) scoring.report(batch, [0.5])
    await run.flush()
    expect(asked.map(({ startPosition }) => startPosition)).toEqual([3, 4, 4])
    expect(reported.map(({ sequence }) => sequence)).toEqual([8])
  })

  it.each([-1, 0.5, 6])('does not begin at %d of 5', async (startPosition) => {
    const { run } = await startRun({ scoreCount: 5 })
    const plan = await run.planEpoch(0)
    expect(() => plan.scoring({ startPosition })).toThrow(InvalidArgumentError)
    expect(() => plan.scoring({ startPosition })).toThrow('start_position: must be an integer from 0 to 5')
  })

  it('is resumed where its stream broke', async () => {
    let streams = 0
    const { run, asked } = await startRun({
      scoreCount: 4,
      answerScoring: (call) => {
        writeHeader(call, 4)
        writeChunk(call, call.request.startPosition, 2)
        if (streams++ === 0) setImmediate(() => call.emit('error', drain))
        else call.end()
      },
    })
    const plan = await run.planEpoch(0)
    expect(await plan.scoring().indices()).toEqual(Uint32Array.of(0, 1, 2, 3))
    expect(asked.map(({ scoreOnly, startPosition }) => [scoreOnly, startPosition])).toEqual([
      [false, 0],
      [true, 0],
      [true, 2],
    ])
  })

  it('does not take more or less than the plan said', async () => {
    const cancelled = deferred()
    const { run } = await startRun({
      scoreCount: 3,
      answerScoring: (call) => {
        call.on('cancelled', cancelled.resolve)
        writeHeader(call, 4)
      },
    })
    const plan = await run.planEpoch(0)
    await expect(plan.scoring().indices()).rejects.toThrow('4 positions to score when the plan of epoch 0 said 3')
    await cancelled.promise
  })

  it('throws by its first batch what the sampler refuses', async () => {
    const notPlanned = statusOf(status.FAILED_PRECONDITION, 'not planned', [errorInfo('WRONG_EPOCH')])
    const { run } = await startRun({ scoreCount: 4, answerScoring: (call) => call.emit('error', notPlanned) })
    const plan = await run.planEpoch(0)
    await expect(batchesOf(plan.scoring(), 2)).rejects.toBeInstanceOf(PreconditionError)
  })
})

describe('report of a run that is told the mean loss of a batch', () => {
  it('sends one value', async () => {
    const { run, reported } = await startRun({ scoreSource: 'batch_loss', positionCount: 3, scoreCount: 2 })
    const plan = await run.planEpoch(0)
    for await (const batch of plan.batches(3)) plan.report(batch, 0.5, { correct: [1, 0, 1] })
    const scoring = plan.scoring()
    for await (const batch of scoring.batches(2)) scoring.report(batch, 0.25)
    await run.flush()
    expect(reported.map(({ losses }) => [...unpackF32(losses)])).toEqual([[0.5], [0.25]])
    expect(reported.map(({ sampleIndices }) => unpackU32(sampleIndices).length)).toEqual([3, 2])
    expect(reported[0]?.metrics.map(({ values }) => [...unpackF32(values)])).toEqual([[1, 0, 1]])
  })

  it.each([
    [Float32Array.of(1), 'an array of 1'],
    [[1, 2], 'an array of 2'],
    [undefined, 'undefined'],
    [null, 'null'],
  ])('refuses %s', async (losses, got) => {
    const { run, reported } = await startRun({ scoreSource: 'batch_loss' })
    const plan = await run.planEpoch(0)
    const report = () => plan.report(one, losses as number[])
    expect(report).toThrow(InvalidArgumentError)
    expect(report).toThrow(
      `losses: must be the mean loss of the batch, a number: the run's scoreSource is 'batch_loss', got ${got}`,
    )
    await run.flush()
    expect(reported).toEqual([])
  })
})

it('refuses a mean loss alone where the run is told the loss of each sample', async () => {
  const { run } = await startRun()
  const plan = await run.planEpoch(0)
  expect(() => plan.report(one, 0.5)).toThrow(
    "must be an array with the un-reduced loss of each of the 1 indices, got 0.5; a mean alone needs a run with scoreSource: 'batch_loss'",
  )
})
