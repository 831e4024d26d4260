import { setImmediate as turn } from 'node:timers/promises'
import { type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import type { FinishRunResponse, RewindRunRequest, RewindRunResponse, Run as WireRun } from '@keepset/proto'
import { afterEach, expect, it } from 'vitest'
import { AbortedError, PreconditionError } from './errors.js'
import { deferred } from './testing/deferred.js'
import { startRun, stopRuns } from './testing/scripted-run.js'
import { drain, errorInfo, statusOf } from './testing/scripted-sampler.js'
import { wireRun } from './testing/wire-run.js'

afterEach(stopRuns)

type Answer = (error: Parameters<sendUnaryData<RewindRunResponse>>[0], run?: WireRun) => void

/** A run whose n-th rewind is answered by `answer`; by default it begins generation 2. */
async function startRewindable(
  answer: (nth: number, answer: Answer) => void = (_, done) => done(null, wireRun('r', { generation: 2 })),
  options: Parameters<typeof startRun>[0] = {},
) {
  const rewinds: RewindRunRequest[] = []
  const started = await startRun({
    ...options,
    script: {
      ...options.script,
      rewindRun: (
        { request }: ServerUnaryCall<RewindRunRequest, RewindRunResponse>,
        done: sendUnaryData<RewindRunResponse>,
      ) => answer(rewinds.push(request) - 1, (error, run) => done(error, run && { run })),
    },
  })
  return { ...started, rewinds }
}

const one = Uint32Array.of(1)
const stale = expect.objectContaining({ name: 'AbortedError', reason: 'STALE_GENERATION' })

it('states the generation that it ends, and goes on in the new one: sequences begin anew', async () => {
  const { run, asked, reported, rewinds } = await startRewindable()
  const before = await run.planEpoch(4)
  before.report(one, [1])
  before.report(one, [1])
  await run.flush()
  const info = await run.rewind(3)
  expect(rewinds).toMatchObject([{ runId: 'r', epoch: 3, generation: 1 }])
  expect([info.generation, run.generation]).toEqual([2, 2])

  const plan = await run.planEpoch(4)
  plan.report(one, [1])
  await run.planEpoch(5)
  expect(asked.map(({ generation, lastSequence }) => [generation, lastSequence])).toEqual([
    [1, 0],
    [2, 0],
    [2, 1],
  ])
  expect(reported.map(({ generation, sequence }) => [generation, sequence])).toEqual([
    [1, 1],
    [1, 2],
    [2, 1],
  ])
})

it('drops the reports that are on their way, and shuts out the plans made before', async () => {
  const gate = deferred()
  const { run, reported } = await startRewindable(undefined, { mayAcknowledge: gate.promise, positionCount: 4 })
  const older = await run.planEpoch(2)
  const [old, unread] = [await run.planEpoch(3), await run.planEpoch(3, { rank: 1, worldSize: 2 })]
  const batches = old.batches(1)
  const { value: batch } = await batches.next()
  old.report(batch ?? one, [1])
  const flushed = run.flush()
  while (reported.length === 0) await turn()
  await run.rewind(3)
  await expect(flushed).rejects.toEqual(stale)
  for (const plan of [old, older, unread]) expect(() => plan.report(one, [1])).toThrow(stale)
  expect(() => old.report(one, [1])).toThrow(/^Run 'r' was rewound to epoch 3: .*run\.planEpoch\(3\)/)
  await expect(batches.next()).rejects.toEqual(stale)
  await expect(unread.indices()).rejects.toEqual(stale)
  // Nothing of them is left in the way of the new life.
  gate.resolve()
  const plan = await run.planEpoch(3)
  plan.report(one, [1])
  await run.flush()
  expect(reported.map(({ generation, sequence }) => [generation, sequence])).toEqual([
    [1, 1],
    [2, 1],
  ])
  expect(run.duplicateReports).toBe(0)
})

it('ends a plan that is waited for', async () => {
  const asked = deferred()
  const { run } = await startRewindable(undefined, { script: { planEpoch: () => asked.resolve() } })
  const waiting = run.planEpoch(3)
  await asked.promise
  const ended = expect(waiting).rejects.toEqual(stale)
  await run.rewind(3)
  await ended
})

it('makes the same request again when its answer was lost', async () => {
  const { run, rewinds } = await startRewindable((nth, done) =>
    nth === 0 ? done(drain) : done(null, wireRun('r', { generation: 2 })),
  )
  await run.rewind(1)
  expect(rewinds).toHaveLength(2)
  expect(rewinds[1]).toEqual(rewinds[0])
  expect(run.generation).toBe(2)
})

it('begins one new life when ranks that share the object rewind at once', async () => {
  const late = deferred()
  const { run, reported } = await startRewindable(async (nth, done) => {
    if (nth === 0) await late.promise
    done(null, wireRun('r', { generation: 2 }))
  })
  const first = run.rewind(2)
  await run.rewind(2)
  const plan = await run.planEpoch(2)
  late.resolve()
  await first
  plan.report(one, [1])
  await run.flush()
  expect(reported).toHaveLength(1)
  expect(run.generation).toBe(2)
})

it('changes nothing when it is refused', async () => {
  const gone = statusOf(status.FAILED_PRECONDITION, 'the start of epoch 1 is gone', [errorInfo('EPOCH_START_GONE')])
  const { run, reported } = await startRewindable((_, done) => done(gone))
  const plan = await run.planEpoch(3)
  plan.report(one, [1])
  await expect(run.rewind(1)).rejects.toBeInstanceOf(PreconditionError)
  plan.report(one, [1])
  await run.flush()
  expect(run.generation).toBe(1)
  expect(reported.map(({ sequence }) => sequence)).toEqual([1, 2])
})

it('mends a run that has failed, and one that was finished', async () => {
  const refused = statusOf(status.FAILED_PRECONDITION, 'a gap', [errorInfo('SEQUENCE_GAP')])
  const { run } = await startRewindable((nth, done) => done(null, wireRun('r', { generation: nth + 2 })), {
    script: {
      streamReports: (call: ServerDuplexStream<unknown, unknown>) => call.emit('error', refused),
      finishRun: (_: unknown, answer: sendUnaryData<FinishRunResponse>) => answer(null, { run: wireRun('r') }),
    },
  })
  ;(await run.planEpoch(3)).report(one, [1])
  await expect(run.flush()).rejects.toMatchObject({ reason: 'SEQUENCE_GAP' })
  await run.rewind(3)
  await run.flush()
  await run.finish()
  await expect(run.planEpoch(3)).rejects.toMatchObject({ reason: 'RUN_FINISHED' })
  await run.rewind(3)
  expect((await run.planEpoch(3)).epoch).toBe(3)
})

it('refuses an epoch that does not fit the wire, and asks nobody', async () => {
  const { run, rewinds } = await startRewindable()
  await expect(run.rewind(-1)).rejects.toMatchObject({ fieldViolations: [{ field: 'epoch' }] })
  expect(rewinds).toEqual([])
})

it('is the end of a trainer whose run another has rewound', async () => {
  const error = statusOf(status.ABORTED, 'generation is 1, but the run is in generation 2', [
    errorInfo('STALE_GENERATION'),
  ])
  const { run } = await startRewindable((_, done) => done(error))
  await expect(run.rewind(1)).rejects.toEqual(stale)
  expect(await run.rewind(1).catch((caught: unknown) => caught)).toBeInstanceOf(AbortedError)
})

it('takes what the run takes in its new life too: the mean loss of a batch', async () => {
  const { run, reported } = await startRewindable(undefined, { scoreSource: 'batch_loss' })
  await run.rewind(0)
  const plan = await run.planEpoch(0)
  expect(() => plan.report(one, [1])).toThrow('batch_loss')
  plan.report(one, 0.5)
  await run.flush()
  expect(reported.map(({ losses }) => losses.readFloatLE(0))).toEqual([0.5])
})
