import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { InvalidArgumentError } from './errors.js'
import { unpackF32 } from './packed.js'
import { deferred } from './testing/deferred.js'
import { startRun, stopRuns } from './testing/scripted-run.js'

afterEach(stopRuns)

const one = Uint32Array.of(1)

describe('Run', () => {
  it('asks for a plan once all reports are acknowledged, and says how many there were', async () => {
    const gate = deferred()
    const { run, asked, reported } = await startRun({ mayAcknowledge: gate.promise })
    const plan = await run.planEpoch(0)
    for (let step = 0; step < 3; step++) plan.report(one, [step])
    const next = run.planEpoch(1)
    while (reported.length < 3) await turn()
    expect(asked).toHaveLength(1)
    gate.resolve()
    await next
    expect(asked.map(({ epoch, lastSequence }) => [epoch, lastSequence])).toEqual([
      [0, 0],
      [1, 3],
    ])
  })

  it('numbers reports within epoch and rank', async () => {
    const { run, asked, reported } = await startRun()
    for (const epoch of [0, 1]) {
      const [first, second] = [
        await run.planEpoch(epoch, { rank: 0, worldSize: 2 }),
        await run.planEpoch(epoch, { rank: 1, worldSize: 2 }),
      ]
      first.report(one, [0])
      second.report(one, [0])
      second.report({ indices: one }, new Float32Array(1))
    }
    await run.flush()
    expect(reported.map(({ epoch, rank, sequence }) => [epoch, rank, sequence])).toEqual(
      [0, 1].flatMap((epoch) => [
        [epoch, 0, 1],
        [epoch, 1, 1],
        [epoch, 1, 2],
      ]),
    )
    expect(asked.slice(2).map(({ lastSequence }) => lastSequence)).toEqual([1, 2])
  })

  it('goes on after what the sampler has from before a restart', async () => {
    const { run, asked, reported } = await startRun({ appliedSequence: 7 })
    const plan = await run.planEpoch(5, { lastSequence: 9 })
    expect(plan.appliedSequence).toBe(7)
    plan.report(one, [1])
    await run.planEpoch(6)
    expect(reported.map(({ sequence }) => sequence)).toEqual([8])
    expect(asked.map(({ lastSequence }) => lastSequence)).toEqual([9, 8])
  })

  it('goes on counting when the plan of an epoch is asked for again', async () => {
    const { run, reported } = await startRun()
    for (let again = 0; again < 3; again++) (await run.planEpoch(0)).report(one, [1])
    await run.flush()
    expect(reported.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
  })

  it('gives no sequence to a report that it does not take', async () => {
    const { run, reported } = await startRun()
    const plan = await run.planEpoch(0)
    expect(() => plan.report(one, [1, 2])).toThrow('losses')
    expect(() => plan.report(one, [1], { correct: [1], margin: [] })).toThrow(
      'metrics.margin: must be an array with a value for each of the 1 indices, got 0',
    )
    plan.report(one, [1])
    await run.flush()
    expect(reported.map(({ sequence }) => sequence)).toEqual([1])
  })

  it('reports metrics beside the losses, as copies', async () => {
    const { run, reported } = await startRun()
    const plan = await run.planEpoch(0)
    const margin = Float32Array.of(0.5, Number.NaN)
    plan.report(Uint32Array.of(1, 2), [1, 2], { correct: [1, 0], margin })
    margin.fill(9)
    await run.flush()
    const metrics = reported[0]?.metrics.map(({ name, values }) => [name, [...unpackF32(values)]])
    expect(metrics).toEqual([
      ['correct', [1, 0]],
      ['margin', [0.5, Number.NaN]],
    ])
  })

  it('ends the stream of a plan that nobody read when the rank asks for another', async () => {
    const cancelled: number[] = []
    const { run, asked } = await startRun({
      positionCount: 4,
      endPlan: (call) => call.on('cancelled', () => cancelled.push(call.request.rank)),
    })
    await run.planEpoch(0, { rank: 0, worldSize: 2 })
    await run.planEpoch(0, { rank: 1, worldSize: 2 })
    await run.planEpoch(0, { rank: 1, worldSize: 2 })
    while (cancelled.length === 0) await turn()
    expect(asked).toHaveLength(3)
    expect(cancelled).toEqual([1])
  })

  it('gets the reports of a loop out that never waits for anything', async () => {
    const { run, reported } = await startRun({ positionCount: 5_000, settings: { reportQueueLimit: 10_000 } })
    const plan = await run.planEpoch(0)
    let steps = 0
    for await (const batch of plan.batches(1)) {
      plan.report(batch, [1])
      steps++
      if (reported.length > 0) break
    }
    expect(steps).toBeLessThan(5_000)
  })

  it.each([Number.NaN, 0, -5, '9' as unknown as number])(
    'refuses to wait %s ms, and asks nobody',
    async (timeoutMs) => {
      const { run, asked } = await startRun()
      const error = await run.planEpoch(0, { timeoutMs }).catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(InvalidArgumentError)
      expect(error).toMatchObject({
        message: expect.stringMatching(
          new RegExp(`^timeoutMs: must be a positive number .*Infinity.*got ${timeoutMs}$`),
        ),
        fieldViolations: [{ field: 'timeoutMs' }],
      })
      expect(asked).toEqual([])
    },
  )

  it('names what is no batch', async () => {
    const { run } = await startRun()
    const plan = await run.planEpoch(0)
    const wrong: [unknown, string][] = [
      [[1, 2], 'Array'],
      [undefined, 'undefined'],
      [null, 'null'],
      [Object.create(null), 'object'],
      [{ indices: [1, 2] }, 'Object'],
    ]
    for (const [batch, name] of wrong) {
      expect(() => plan.report(batch as Uint32Array, [1, 2])).toThrow(
        `sample_indices: must be a Uint32Array or a batch of plan.batches(), got ${name}`,
      )
    }
    expect(() => plan.report(one, [1n] as unknown as number[])).toThrow(TypeError)
  })

  it('copies what it is given', async () => {
    const { run, reported } = await startRun()
    const plan = await run.planEpoch(0)
    const indices = Uint32Array.of(1, 2)
    const losses = Float32Array.of(0.5, 0.25)
    plan.report(indices, losses)
    indices.fill(9)
    losses.fill(9)
    await run.flush()
    expect([...(reported[0]?.sampleIndices ?? [])]).toEqual([1, 0, 0, 0, 2, 0, 0, 0])
    expect(reported[0]?.losses.readFloatLE(4)).toBe(0.25)
  })
})
