import { connect } from '@keepset/client'
import { loadBackend } from '../../clients/trainer/src/backends/load-backend.js'
import { takeFirst } from '../../clients/trainer/src/data/data-set.js'
import { bundledDataDirectory, readDataSet } from '../../clients/trainer/src/data/read-data-set.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { bundleService, ServiceProcess } from '../support/service-process.js'
import { showSpread } from '../support/summary.js'
import { table } from '../support/table.js'
import { createParts, type Parts, type TrainedEpoch } from './parts.js'
import { SampledTrainer } from './sampled-trainer.js'
import { trainPlainly } from './train-plainly.js'

const WAYS = ['plain', 'turns', 'sampled'] as const
type Way = (typeof WAYS)[number]

/** Epochs of each way in a round: each is first, second and last once, and trains each of the models once. */
const EPOCHS = WAYS.length
const QUICK_IMAGES = 512

/** Seconds of a round's epochs. */
interface Round {
  readonly seconds: Readonly<Record<Way, number>>
  /** Of this process on processors. */
  readonly processor: Readonly<Record<Way, number>>
  /** Of those with a sampler, in calls of the client. */
  readonly client: number
}

/** Seconds that this process kept processors busy so far. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/**
 * Epochs of all ways, by turns. Equal models are trained, on the same samples in the same order, and change places, in case where
 * the weights of one happen to lie makes it faster.
 */
async function measureRound(models: readonly Parts[], sampler: SampledTrainer, first: number): Promise<Round> {
  const seconds = { plain: 0, turns: 0, sampled: 0 }
  const processor = { plain: 0, turns: 0, sampled: 0 }
  let client = 0
  for (let epoch = first; epoch < first + EPOCHS; epoch++) {
    const order = await sampler.orderOf(epoch)
    const losses: number[] = []
    for (let i = 0; i < WAYS.length; i++) {
      const way = WAYS[(epoch + i) % WAYS.length] as Way
      const model = models[(2 * epoch + i) % models.length] as Parts
      const before = processorSeconds()
      const trained: TrainedEpoch & { readonly clientSeconds?: number } =
        way === 'sampled' ? await sampler.train(model, epoch) : await trainPlainly(model, epoch, order, way === 'turns')
      processor[way] += processorSeconds() - before
      seconds[way] += trained.seconds
      client += trained.clientSeconds ?? 0
      losses.push(trained.loss)
    }
    const [least, most] = [Math.min(...losses), Math.max(...losses)]
    // Some backends add in another order each time.
    if (!(most - least < 0.01 * most)) throw new Error(`mean losses of ${losses}: not the same training`)
  }
  return { seconds, processor, client }
}

/** What a sampler that leaves nothing out costs a training in Node. */
export const trainerOverhead: Bench = {
  name: 'trainer-overhead',
  description: "the TensorFlow.js trainer's time of an epoch at prune rate 0, against its loop without a sampler",
  goal: 'at most 1.01 of the loop without a sampler',
  async run({ rounds, seed, quick, dataDir }: BenchSettings): Promise<BenchOutcome> {
    const data = readDataSet(bundledDataDirectory)
    const train = quick ? takeFirst(data.train, QUICK_IMAGES) : data.train
    const backend = await loadBackend('auto')
    const service = await ServiceProcess.start(await bundleService(dataDir))
    const client = connect(service.address)
    try {
      const create = () => createParts(backend, { ...data, train }, EPOCHS * (rounds + 1), seed)
      const first = create()
      const models = [first, create(), create()]
      const sampler = await SampledTrainer.create(client, first, train.count)
      const measured: Round[] = []
      for (let round = 0; round <= rounds; round++) {
        const times = await measureRound(models, sampler, EPOCHS * round)
        if (round > 0) measured.push(times) // The first one warms up.
      }
      const { model, batchSize } = first.settings
      const spread = (value: (round: Round) => number) => showSpread(measured.map(value))
      const names = {
        plain: 'no sampler',
        turns: 'no sampler, a turn of the event loop after each step',
        sampled: 'sampler',
      }
      const head = [
        `${model}, batch ${batchSize}, ${backend.name}`,
        's/epoch',
        'of none',
        'of none with turns',
        'processor time, of none',
      ]
      const rows = WAYS.map((way) => [
        names[way],
        spread(({ seconds }) => seconds[way] / EPOCHS),
        spread(({ seconds }) => seconds[way] / seconds.plain),
        spread(({ seconds }) => seconds[way] / seconds.turns),
        spread(({ processor }) => processor[way] / processor.plain),
      ])
      const share = `In calls of the client: ${spread(({ client, seconds }) => (100 * client) / seconds.sampled)} % of the epoch.`
      const constants = { model, batchSize, backend: backend.name, images: train.count, epochs: EPOCHS }
      return { constants, measured, text: `${table(head, rows)}\n\n${share}` }
    } finally {
      client.close()
      await service.stop()
    }
  },
}
