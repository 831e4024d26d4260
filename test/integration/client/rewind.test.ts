import { AbortedError, type Client, connect, PreconditionError, type Run, ucb } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { startCuttingProxy } from '../../support/cutting-proxy.js'
import { trainEpoch, trainRank } from './train.js'

let sampler: Sampler
const clients: Client[] = []

beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
})

afterAll(async () => {
  await sampler.stop()
})

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

function open(): Client {
  const client = connect(sampler.addresses.grpc)
  clients.push(client)
  return client
}

const settings = { sampleCount: 80, policy: ucb(), pruneRate: 0.5, epochs: 8, selectionPeriod: 1, seed: 4n }
const batchSize = 8

/** Trains epochs `from` to `to` - 1 alone; their digests. */
async function train(run: Run, from: number, to: number): Promise<string[]> {
  const digests: string[] = []
  for (let epoch = from; epoch < to; epoch++) {
    digests.push((await trainEpoch(await run.planEpoch(epoch), batchSize)).digest)
  }
  return digests
}

/** What was thrown for a trainer of a life that is over. */
async function staleError(action: () => unknown): Promise<AbortedError> {
  const error = await (async () => action())().catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(AbortedError)
  expect(error).toMatchObject({ code: 'ABORTED', reason: 'STALE_GENERATION' })
  return error as AbortedError
}

it('takes a run back to a checkpoint, and to the plans of a training that was never disturbed', async () => {
  const client = open()
  const twin = await train(await client.createRun(settings), 0, 8)
  const run = await client.createRun(settings)
  expect(await train(run, 0, 6)).toEqual(twin.slice(0, 6))
  expect((await run.info()).epochStarts).toEqual([0, 3, 4, 5, 6])

  const info = await run.rewind(4)
  expect(info).toMatchObject({ nextEpoch: 4, generation: 2, epochStarts: [0, 3, 4], progress: { epochsPlanned: 4 } })
  expect(run.generation).toBe(2)
  expect(await train(run, 4, 8)).toEqual(twin.slice(4))
  expect(run.duplicateReports).toBe(0)
  expect((await run.finish()).progress.observations).toBe(80 + 7 * 40)
})

it('is what a trainer does that was killed: a new client goes on from its checkpoint', async () => {
  const { runId } = await open().createRun(settings)
  const twin = await train(await open().createRun(settings), 0, 8)
  const killed = open()
  const before = await killed.openRun(runId)
  await train(before, 0, 5)
  const plan = await before.planEpoch(5)
  for await (const batch of plan.batches(batchSize)) {
    plan.report(batch, batch.indices)
    if (batch.startPosition >= 16) break
  }
  await before.flush()
  killed.close()

  const run = await open().openRun(runId)
  await run.rewind(5)
  expect(await train(run, 5, 8)).toEqual(twin.slice(5))
  await run.flush()
  expect(run.duplicateReports).toBe(0)
})

it('shuts out the trainer of the life before: its plans, its reports, and a plan that it waits for', async () => {
  const old = await open().createRun(settings)
  await train(old, 0, 2)
  const plan = await old.planEpoch(2)
  const bystander = await open().openRun(old.runId)
  const waiting = staleError(() => bystander.planEpoch(3, { rank: 1, worldSize: 2 }))
  const [index = 0] = await plan.indices()
  plan.report(Uint32Array.of(index), [1])
  await old.flush()
  await bystander.info() // Behind its plan on the same connection.

  const run = await open().openRun(old.runId)
  await run.rewind(2)
  expect((await waiting).message).toMatch(/was rewound.*End this trainer.*client\.openRun\(\)/)
  plan.report(Uint32Array.of(index), [1])
  const error = await staleError(() => old.flush())
  for (const action of [
    () => plan.report(Uint32Array.of(index), [1]),
    () => old.planEpoch(2),
    () => old.room(),
    () => old.finish(),
  ]) {
    expect(await staleError(action)).toBe(error)
  }
  await staleError(() => bystander.planEpoch(2))
  await staleError(() => bystander.finish())
  await staleError(() => bystander.rewind(1))
  expect((await run.info()).progress.reports).toBe(10 + 5)

  await train(run, 2, 8)
  const { progress, state } = await run.finish()
  expect(state).toBe('finished')
  expect(progress.observations).toBe(80 + 7 * 40)
})

it('rewinds once for all ranks that had the run open, each in a client of its own', async () => {
  const ranks = [0, 1, 2]
  const { runId } = await open().createRun(settings)
  const runs = await Promise.all(ranks.map(() => open().openRun(runId)))
  const shape = { worldSize: 3, epochs: 4, batchSize }
  const before = await Promise.all(runs.map((run, rank) => trainRank(run, { ...shape, rank })))
  for (const run of runs) await run.flush()

  const restarted = await Promise.all(ranks.map(() => open().openRun(runId)))
  const infos = await Promise.all(restarted.map((run) => run.rewind(3)))
  expect(infos.map(({ generation, nextEpoch }) => [generation, nextEpoch])).toEqual(ranks.map(() => [2, 3]))
  const plans = await Promise.all(restarted.map((run, rank) => run.planEpoch(3, { rank, worldSize: 3 })))
  for (const [rank, plan] of plans.entries()) {
    expect(await trainEpoch(plan, batchSize)).toEqual(before[rank]?.[3])
  }
})

it('goes back for all ranks that share an object', async () => {
  const run = await open().createRun(settings)
  const trained = await Promise.all([0, 1].map((rank) => trainRank(run, { rank, worldSize: 2, epochs: 3, batchSize })))
  await Promise.all([run.rewind(1), run.rewind(1)])
  expect(run.generation).toBe(2)
  const plans = await Promise.all([0, 1].map((rank) => run.planEpoch(1, { rank, worldSize: 2 })))
  for (const [rank, plan] of plans.entries()) expect(await trainEpoch(plan, batchSize)).toEqual(trained[rank]?.[1])
  await run.flush()
  expect(run.duplicateReports).toBe(0)
})

it('rewinds once, wherever the connection breaks on the way', async () => {
  const direct = await open().createRun(settings)
  await train(direct, 0, 3)
  await direct.flush()
  let afterBytes = 0
  let isFirst = true
  const proxy = await startCuttingProxy(sampler.addresses.grpc, () => {
    const cut = isFirst ? ({ afterBytes, direction: 'down', reset: true } as const) : undefined
    isFirst = false
    return cut
  })
  try {
    for (let generation = 1; generation <= 30; generation++) {
      // A cut takes the answer to openRun, that to the rewind, or nothing.
      afterBytes = 25 * generation
      isFirst = true
      const client = connect(proxy.address)
      const run = await client.openRun(direct.runId)
      expect(await run.rewind(2)).toMatchObject({ generation: generation + 1, nextEpoch: 2 })
      client.close()
    }
    expect(proxy.cutCount).toBeGreaterThan(10)
    expect(proxy.cutCount).toBeLessThan(30)
  } finally {
    await proxy.stop()
  }
})

it('says which epochs are there when the start of one is gone, and changes nothing', async () => {
  const run = await open().createRun(settings)
  await train(run, 0, 5)
  const error = await run.rewind(1).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(PreconditionError)
  expect(error).toMatchObject({
    reason: 'EPOCH_START_GONE',
    message: expect.stringMatching(/epoch is 1, .*0, 2, 3, 4, 5 only.*epochStarts/),
  })
  await train(run, 5, 6)
  expect(run.generation).toBe(1)
})

it('can be done from outside, by whoever has the run id', async () => {
  const client = open()
  const run = await client.createRun(settings)
  await train(run, 0, 3)
  await run.flush()
  expect(await client.rewindRun(run.runId, 2, 1)).toMatchObject({ generation: 2 })
  expect((await client.rewindRun(run.runId, 2, 1)).generation).toBe(2)
  expect((await client.rewindRun(run.runId, 2)).generation).toBe(3)
  await staleError(() => client.rewindRun(run.runId, 1, 1))
  await staleError(() => run.planEpoch(2))
})
