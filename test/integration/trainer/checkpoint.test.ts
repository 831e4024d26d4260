import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, connect, type Run } from '@keepset/client'
import { type Config, type Sampler, startSampler } from '@keepset/sampler'
import {
  CheckpointError,
  loadCheckpoint,
  StoppedError,
  type TrainOptions,
  type TrainProgress,
  train,
} from '@keepset/trainer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeTinyDataSet } from '../../support/tiny-data-set.js'
import { outcomeOf, readMetrics } from './read-metrics.js'

let sampler: Sampler
let folder: string
let data: string
beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
  folder = mkdtempSync(join(tmpdir(), 'keepset-checkpoint-'))
  data = join(folder, 'data')
  writeTinyDataSet(data, 501, 50)
})
afterAll(async () => {
  await sampler.stop()
  rmSync(folder, { recursive: true })
})

/** Epochs of milliseconds and, on wasm, deterministic. */
const quick = (options: TrainOptions): TrainOptions => ({
  address: sampler.addresses.grpc,
  backend: 'wasm',
  model: 'mlp',
  data,
  batchSize: 32,
  epochs: 4,
  seed: 3,
  ...options,
})

describe('train with a checkpoint', { timeout: 120_000 }, () => {
  /** Trains and stops after the given batch of the given epoch, as a signal would. */
  async function trainUntil(options: TrainOptions, epoch: number, batch: number): Promise<void> {
    const stop = new AbortController()
    let current = -1
    let batches = 0
    const progress = {
      epochPlanned: (planned: number) => {
        current = planned
        batches = 0
      },
      batchTrained: () => {
        batches++
        if (current === epoch && batches === batch) stop.abort()
      },
    }
    await expect(train(options, { progress, signal: stop.signal })).rejects.toThrow(StoppedError)
  }

  it.each(['ucb', 'epsilon_greedy'] as const)(
    'goes on after a stop in mid-epoch exactly as an undisturbed training: %s, augmented',
    async (policy) => {
      const folderOf = (name: string) => join(folder, `${policy}-${name}`)
      const options = quick({ policy, augment: true })
      const whole = await train({ ...options, runId: `${policy}-whole`, checkpoint: folderOf('whole') })

      const metrics = `${folderOf('parts')}.jsonl`
      const parts = { ...options, runId: `${policy}-parts`, checkpoint: folderOf('parts'), metrics, resume: true }
      await trainUntil(parts, 0, 2)
      await trainUntil(parts, 2, 3)
      expect(loadCheckpoint(folderOf('parts'))?.nextEpoch).toBe(2)
      const resumed = await train(parts)

      expect(resumed.epochs.map(outcomeOf)).toEqual(whole.epochs.map(outcomeOf))
      const states = ['whole', 'parts'].map((name) => loadCheckpoint(folderOf(name))?.state)
      expect(states[1]).toEqual(states[0])
      expect(
        readMetrics(metrics).map((record) => ('epoch' in record ? `${record.type} ${record.epoch}` : record.type)),
      ).toEqual(['start', 'resume 0', 'epoch 0', 'epoch 1', 'resume 2', 'epoch 2', 'epoch 3', 'summary'])
      const [last, ...earlier] = resumed.epochs.map(({ secondsSoFar }) => secondsSoFar.total).reverse()
      expect(last).toBeGreaterThan(Math.max(...earlier))
    },
  )

  it('takes the name of the run from the checkpoint, and has nothing to do once all epochs are done', async () => {
    const options = quick({ checkpoint: join(folder, 'done'), epochs: 2 })
    const first = await train(options)
    const again = await train({ ...options, resume: true })
    expect(again.start).toEqual(first.start)
    expect(again.epochs).toEqual(first.epochs)
    expect(again.summary).toMatchObject({ runId: first.summary.runId, testAccuracy: first.summary.testAccuracy })
  })

  it('refuses to go on with other settings, and to overwrite what was not asked for', async () => {
    const options = quick({ checkpoint: join(folder, 'settings'), epochs: 1 })
    await train(options)
    await expect(train({ ...options, resume: true, batchSize: 64, limit: 500 })).rejects.toThrow(
      /batchSize \(32 in the checkpoint, 64 now\), data \(not the same images\), limit \(unset in the checkpoint, 500 now\)/,
    )
    await expect(train(options)).rejects.toThrow(CheckpointError)
  })

  /** A sampler of its own, with a client. */
  async function withSampler(
    work: (client: Client, address: string) => Promise<void>,
    config: Partial<Config> = {},
  ): Promise<void> {
    const own = await startSampler({ store: 'memory', logLevel: 'silent', ...config })
    const client = connect(own.addresses.grpc)
    try {
      await work(client, own.addresses.grpc)
    } finally {
      client.close()
      await own.stop()
    }
  }

  /** Keeps a copy of the checkpoint of each epoch beside its folder. */
  const copies = (checkpoint: string): TrainProgress => ({
    epochPlanned: (epoch) => cpSync(checkpoint, `${checkpoint}-${epoch}`, { recursive: true }),
  })

  it('goes on from an older checkpoint, after the last epoch too, as long as the sampler has the start of its epoch', async () => {
    await withSampler(
      async (client, address) => {
        const checkpoint = join(folder, 'older')
        const options = quick({ runId: 'older', address, checkpoint })
        const whole = await train(options, { progress: copies(checkpoint) })
        const { progress } = await client.getRun('older')

        for (const [epoch, generation] of [
          [3, 2],
          [2, 3],
        ] as const) {
          const again = await train({ ...options, checkpoint: `${checkpoint}-${epoch}`, resume: true })
          expect(again.epochs.map(outcomeOf)).toEqual(whole.epochs.map(outcomeOf))
          const run = await client.getRun('older')
          expect(run).toMatchObject({ state: 'finished', generation, progress })
        }

        const tooOld = train({ ...options, checkpoint: `${checkpoint}-1`, resume: true })
        await expect(tooOld).rejects.toThrow(CheckpointError)
        await expect(tooOld).rejects.toThrow(
          "The checkpoint goes on at epoch 1, and the sampler's run older can only go back to the start of epochs 0, 2, 3 and 4. " +
            'Put back a checkpoint that goes on at one of these, or else the training must start anew, ',
        )
        await expect(tooOld).rejects.toThrow('The sampler keeps as many starts as its --epoch-starts says.')
        expect(await client.getRun('older')).toMatchObject({ state: 'finished', generation: 3 })
      },
      { epochStarts: 2 },
    )
  })

  const remedy = 'the training must start anew, without --resume, in another folder or with the checkpoint removed'

  it('says where the sampler does not have the run, and leaves no run behind', async () => {
    const options = quick({ runId: 'lost', checkpoint: join(folder, 'lost') })
    await withSampler((_, address) => trainUntil({ ...options, address }, 1, 1))
    await withSampler(async (client, address) => {
      const resumed = train({ ...options, address, resume: true })
      await expect(resumed).rejects.toThrow(CheckpointError)
      await expect(resumed).rejects.toThrow(
        'The sampler does not have the run lost: with --store memory it loses its runs when its process ends, with --store file it has those of ' +
          `its --data-dir. Start it with the --data-dir that it had; where the run is lost, ${remedy}.`,
      )
      for await (const run of client.listRuns()) expect.unreachable(run.runId)
    })
  })

  it('says that nothing is left to train where the run of a training that is done was removed', async () => {
    await withSampler(async (client, address) => {
      const options = quick({ runId: 'removed', address, epochs: 1, checkpoint: join(folder, 'removed') })
      await train(options)
      await client.deleteRun('removed')
      await expect(train({ ...options, resume: true })).rejects.toThrow(
        'The sampler does not have the run removed, but all of its epochs are trained: the checkpoint has the weights.',
      )
    })
  })

  const changed: [what: string, change: (run: Run) => Promise<unknown>][] = [
    ['went on without the checkpoint', (run) => run.planEpoch(2)],
    ['was finished', (run) => run.finish()],
    ['was rewound', (run) => run.rewind(1)],
  ]
  it.each(changed)('goes on with a run that %s, as an undisturbed training', async (what, change) => {
    await withSampler(async (client, address) => {
      const options = quick({ address, epochs: 3 })
      const whole = await train(options)
      const checkpoint = join(folder, what)
      await trainUntil({ ...options, runId: 'changed', checkpoint }, 1, 1)
      await change(await client.openRun('changed'))
      const resumed = await train({ ...options, runId: 'changed', checkpoint, resume: true })
      expect(resumed.epochs.map(outcomeOf)).toEqual(whole.epochs.map(outcomeOf))
    })
  })

  const parted: [what: string, change: (client: Client, options: TrainOptions) => Promise<unknown>, problem: string][] =
    [
      [
        'went back to before the checkpoint',
        (client) => client.openRun('parted').then((run) => run.rewind(0)),
        "The checkpoint goes on at epoch 1, and the sampler's run parted has come no further than the start of epoch 0; it can go on at epoch 0. " +
          `Put back a checkpoint that goes on at one of these, or else ${remedy}, and with another --run-id.`,
      ],
      [
        'is another one of the same name',
        async (client, options) => {
          await client.deleteRun('parted')
          await trainUntil({ ...options, seed: 4, checkpoint: `${options.checkpoint}-other` }, 1, 1)
        },
        `The sampler's run parted is another one, with other settings: ${remedy}, and with another --run-id.`,
      ],
    ]
  it.each(parted)('refuses to go on with a run that %s', async (what, change, problem) => {
    await withSampler(async (client, address) => {
      const options = quick({ runId: 'parted', address, checkpoint: join(folder, what) })
      await trainUntil(options, 1, 1)
      await change(client, options)
      const before = await client.getRun('parted')
      const resumed = train({ ...options, resume: true })
      await expect(resumed).rejects.toThrow(CheckpointError)
      await expect(resumed).rejects.toThrow(problem)
      expect(await client.getRun('parted')).toEqual(before)
    })
  })
})
