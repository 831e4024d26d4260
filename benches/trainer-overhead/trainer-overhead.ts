import { connect } from '@keepset/client'
import { loadBackend } from '../../clients/trainer/src/backends/load-backend.js'
import { takeFirst } from '../../clients/trainer/src/data/data-set.js'
import { bundledDataDirectory, readDataSet } from '../../clients/trainer/src/data/read-data-set.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { bundleService, ServiceProcess } from '../support/service-process.js'
import { showSpread } from '../support/summary.js'
import { table } from '../support/table.js'
import { createParts, type Parts } from './parts.js'
import { SampledTrainer } from './sampled-trainer.js'
import { trainPlainly } from './train-plainly.js'

/** Epochs of each way in a round: one for each way to be first with each of the two models. */
const EPOCHS = 4
const QUICK_IMAGES = 512

/** Seconds of a round's epochs. */
interface Round {
  readonly plain: number
  readonly plainProcessor: number
  readonly sampled: number
  readonly sampledProcessor: number
  /** Of `sampled`, those in calls of the client. */
  readonly client: number
}

/** Seconds that this process kept processors busy so far. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/**
 * Epochs of both ways, by turns. Two equal models are trained, on the same samples in the same order, and change places, in case where
 * the weights of one happen to lie makes it faster.
 */
async function measureRound(models: readonly [Parts, Parts], sampler: SampledTrainer, first: number): Promise<Round> {
  const round = { plain: 0, plainProcessor: 0, sampled: 0, sampledProcessor: 0, client: 0 }
  for (let epoch = first; epoch < first + EPOCHS; epoch++) {
    const [one, other] = models
    const [plain, sampled] = epoch % 4 < 2 ? [one, other] : [other, one]
    const order = await sampler.orderOf(epoch)
    const losses: number[] = []
    const ways = [
      async () => {
        const before = processorSeconds()
        const { seconds, loss } = await trainPlainly(plain, epoch, order)
        round.plainProcessor += processorSeconds() - before
        round.plain += seconds
        losses.push(loss)
      },
      async () => {
        const before = processorSeconds()
        const { seconds, clientSeconds, loss } = await sampler.train(sampled, epoch)
        round.sampledProcessor += processorSeconds() - before
        round.sampled += seconds
        round.client += clientSeconds
        losses.push(loss)
      },
    ]
    for (const train of epoch % 2 === 0 ? ways : ways.toReversed()) await train()
    const [least, most] = [Math.min(...losses), Math.max(...losses)]
    // Some backends add in another order each time.
    if (!(most - least < 0.01 * most)) throw new Error(`mean losses of ${losses}: not the same training`)
  }
  return round
}

/** What a sampler that leaves nothing out costs a training in Node. */
export const trainerOverhead: Bench = {
  name: 'trainer-overhead',
  description: "the TensorFlow.js trainer's time of an epoch at prune rate 0, against its loop without a sampler",
  goal: 'a ratio of at most 1.01',
  async run({ rounds, seed, quick, dataDir }: BenchSettings): Promise<BenchOutcome> {
    const data = readDataSet(bundledDataDirectory)
    const train = quick ? takeFirst(data.train, QUICK_IMAGES) : data.train
    const backend = await loadBackend('auto')
    const service = await ServiceProcess.start(await bundleService(dataDir))
    const client = connect(service.address)
    try {
      const create = () => createParts(backend, { ...data, train }, EPOCHS * (rounds + 1), seed)
      const models = [create(), create()] as const
      const sampler = await SampledTrainer.create(client, models[0], train.count)
      const measured: Round[] = []
      for (let round = 0; round <= rounds; round++) {
        const times = await measureRound(models, sampler, EPOCHS * round)
        if (round > 0) measured.push(times) // The first one warms up.
      }
      const { model, batchSize } = models[0].settings
      const spread = (value: (round: Round) => number) => showSpread(measured.map(value))
      const head = [
        'training',
        'epoch without, s',
        'with, s',
        'ratio',
        'processor time, ratio',
        'in calls of the client, %',
      ]
      const row = [
        `${model}, batch ${batchSize}, ${backend.name}`,
        spread((round) => round.plain / EPOCHS),
        spread((round) => round.sampled / EPOCHS),
        spread((round) => round.sampled / round.plain),
        spread((round) => round.sampledProcessor / round.plainProcessor),
        spread((round) => (100 * round.client) / round.sampled),
      ]
      const constants = { model, batchSize, backend: backend.name, images: train.count, epochs: EPOCHS }
      return { constants, measured, text: table(head, [row]) }
    } finally {
      client.close()
      await service.stop()
    }
  },
}
