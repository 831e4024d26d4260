import { type Client, type CreateRunOptions, connect, epsilonGreedy, full, random, ucb } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Cut, type CuttingProxy, startCuttingProxy } from '../../support/cutting-proxy.js'
import { seededRandom } from '../../support/random.js'
import { type TrainedEpoch, trainRank } from './train.js'

/** Most of it is pauses between tries, which a busy machine makes longer. */
const timeout = 60_000

let sampler: Sampler

beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
})

afterAll(async () => {
  await sampler.stop()
})

/** Cuts at points drawn from a seed: `from` to `to` bytes after the start of a connection, in either direction. */
function drawCuts(seed: number, from: number, to: number): () => Cut {
  const draw = seededRandom(seed)
  return () => ({
    afterBytes: Math.floor(from + draw() * (to - from)),
    direction: draw() < 0.5 ? 'up' : 'down',
    reset: draw() < 0.5,
  })
}

async function withProxy(
  nextCut: () => Cut | undefined,
  action: (proxy: CuttingProxy, client: Client) => Promise<void>,
) {
  const proxy = await startCuttingProxy(sampler.addresses.grpc, nextCut)
  const client = connect(proxy.address)
  try {
    await action(proxy, client)
  } finally {
    client.close()
    await proxy.stop()
  }
}

interface Training {
  readonly settings: CreateRunOptions
  readonly worldSize: number
}

const epochs = 5
const batchSize = 16

/** Trains all ranks at once, each from its own Run object or all from one, and closes the run. */
async function train(client: Client, { settings, worldSize }: Training, oneRunObject: boolean) {
  const run = await client.createRun(settings)
  const ranks = await Promise.all(
    Array.from({ length: worldSize }, async (_, rank) => {
      const own = oneRunObject ? run : await client.openRun(run.runId)
      const trained = await trainRank(own, { rank, worldSize, epochs, batchSize })
      await own.flush()
      expect(own.duplicateReports).toBe(0)
      return trained
    }),
  )
  return { ranks, info: await run.finish() }
}

function sum(ranks: readonly TrainedEpoch[][], of: (trained: TrainedEpoch) => number): number {
  return ranks.flat().reduce((total, trained) => total + of(trained), 0)
}

const trainings: Training[] = [
  { settings: { sampleCount: 600, policy: ucb(), pruneRate: 0.5, epochs, seed: 1n }, worldSize: 1 },
  { settings: { sampleCount: 601, policy: epsilonGreedy(), pruneRate: 0.3, epochs, seed: 2n }, worldSize: 2 },
  {
    settings: {
      sampleCount: 500,
      policy: ucb({ initial: 'zero' }),
      pruneRate: 0.4,
      epochs,
      seed: 3n,
      shardMode: 'drop',
    },
    worldSize: 3,
  },
  {
    settings: { sampleCount: 400, policy: random(), pruneRate: 0.5, epochs, seed: 4n, positionMultiple: 16 },
    worldSize: 2,
  },
]

it.each([11, 12, 13])(
  'counts every report once and plans the same, wherever connections break (seed %i)',
  { timeout },
  async (seed) => {
    const direct = connect(sampler.addresses.grpc)
    const twins = await Promise.all(trainings.map((training) => train(direct, training, true)))
    direct.close()

    await withProxy(drawCuts(seed, 300, 6_000), async (proxy, client) => {
      const disturbed = await Promise.all(trainings.map((training, i) => train(client, training, i % 2 === 0)))

      expect(proxy.cutCount).toBeGreaterThan(10)
      for (const [i, { ranks, info }] of disturbed.entries()) {
        const { progress } = info
        expect(ranks).toEqual(twins[i]?.ranks)
        expect(progress).toEqual(twins[i]?.info.progress)
        expect(progress.reports).toBe(sum(ranks, ({ reports }) => reports))
        expect(progress.observations + progress.repeats).toBe(sum(ranks, ({ indices }) => indices.length))
      }
    })
  },
)

it('resumes a plan that breaks while it is read, with no index lost or doubled', { timeout }, async () => {
  const sampleCount = 1_500_000
  const settings = { runId: 'large', sampleCount, policy: full(), seed: 9n }
  const direct = connect(sampler.addresses.grpc)
  const run = await direct.createRun(settings)
  const whole = await (await run.planEpoch(0)).indices()
  direct.close()

  const draw = seededRandom(21)
  const nextCut = () => ({
    afterBytes: Math.floor(700_000 + draw() * 1_800_000),
    direction: 'down' as const,
    reset: draw() < 0.5,
  })
  await withProxy(nextCut, async (proxy, client) => {
    const plan = await (await client.openRun('large')).planEpoch(0)
    const read = new Uint32Array(sampleCount)
    let position = 0
    for await (const { indices, startPosition } of plan.batches(10_007)) {
      expect(startPosition).toBe(position)
      read.set(indices, position)
      position += indices.length
    }
    expect(position).toBe(sampleCount)
    expect(Buffer.compare(Buffer.from(read.buffer), Buffer.from(whole.buffer))).toBe(0)
    expect(proxy.cutCount).toBeGreaterThan(2)
  })
})
