import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, connect, type RunInfo } from '@keepset/client'
import { startSampler } from '@keepset/sampler'
import { type Checkpoint, loadCheckpoint, train } from '@keepset/trainer'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SamplerProcess } from '../../support/sampler-process.js'
import { writeTinyDataSet } from '../../support/tiny-data-set.js'
import { outcomeOf } from './read-metrics.js'
import { TrainerProcess } from './trainer-process.js'

const epochs = 6
const batchSize = 4
/** So low that the accuracy still rises in the last epochs. */
const learningRate = 0.000_005
const runId = 'run'

let folder: string
let data: string
/** The training that nothing disturbs. */
let twin: Checkpoint
let twinProgress: RunInfo['progress']

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keepset-resume-'))
  data = join(folder, 'data')
  writeTinyDataSet(data, 3000, 100)
  const sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
  const address = sampler.addresses.grpc
  const checkpoint = join(folder, 'twin')
  await train({ address, runId, data, backend: 'wasm', epochs, batchSize, learningRate, checkpoint })
  twin = loadCheckpoint(checkpoint) as Checkpoint
  const client = connect(address)
  twinProgress = (await client.getRun(runId)).progress
  client.close()
  await sampler.stop()
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true }))

let own: string
let address: string
let sampler: SamplerProcess
let client: Client
const trainers: TrainerProcess[] = []

/**
 * A free port below those that Linux and macOS give to outgoing connections: one of those could be taken by a connection, even by that of
 * the trainer that looks for its sampler, while the sampler is away.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** Starts the sampler, and after its end another one, at the same address and on the same records. */
async function startOwnSampler(): Promise<void> {
  sampler = SamplerProcess.serve(['--listen', address, '--store', 'file', '--data-dir', join(own, 'sampler')])
  await sampler.logged('listening')
}

/** Starts or resumes the training. */
function startTrainer(checkpoint = join(own, 'checkpoint')): TrainerProcess {
  const options = {
    address,
    'run-id': runId,
    data,
    backend: 'wasm',
    epochs,
    'batch-size': batchSize,
    'learning-rate': learningRate,
    checkpoint,
  }
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const trainer = new TrainerProcess([...flags, '--resume'])
  trainers.push(trainer)
  return trainer
}

beforeEach(async () => {
  own = mkdtempSync(join(folder, 'own-'))
  address = `127.0.0.1:${await freePort()}`
  await startOwnSampler()
  client = connect(address)
})
afterEach(async () => {
  client.close()
  await Promise.all(trainers.splice(0).map((trainer) => trainer.kill()))
  await sampler.kill()
})

const readCheckpoint = () => loadCheckpoint(join(own, 'checkpoint'))

/** Whether the sampler lacks reports of the epoch that it planned last. */
const isInMidEpoch = ({ progress }: RunInfo) => progress.observations < progress.samplesPlanned

/**
 * Resolves when the sampler has some of the reports of an epoch, of `from` or a later one, and lacks many. Returns that epoch.
 * Rejects if the training ends before.
 */
async function midEpoch(trainer: TrainerProcess, from: number): Promise<number> {
  await trainer.printed(/^backend /m)
  while (!trainer.hasEnded) {
    const { nextEpoch, progress, settings } = await client.getRun(runId)
    const planned = nextEpoch === 1 ? settings.sampleCount : settings.sampleCount / 2
    const missing = (progress.samplesPlanned - progress.observations) / planned
    if (nextEpoch > from && missing > 0.4 && missing < 0.9) return nextEpoch - 1
  }
  throw new Error(`the training ended: ${(await trainer.ended).stderr}`)
}

/** What each epoch came to. */
const outcomes = (checkpoint: Checkpoint | undefined) =>
  checkpoint?.records.flatMap((record) => (record.type === 'epoch' ? outcomeOf(record) : []))

/** The training came to its end, and to what its undisturbed twin came to: plans, losses, accuracies, weights and the sampler's counts. */
async function expectTwin(trainer: TrainerProcess, directory = join(own, 'checkpoint')): Promise<RunInfo> {
  expect(await trainer.ended).toMatchObject({ code: 0, stderr: '' })
  const checkpoint = loadCheckpoint(directory)
  expect(outcomes(twin)).toHaveLength(epochs)
  expect(outcomes(checkpoint)).toEqual(outcomes(twin))
  expect(checkpoint?.state).toEqual(twin.state)
  const run = await client.getRun(runId)
  expect(run).toMatchObject({ state: 'finished', progress: twinProgress })
  return run
}

/** From which epoch on a training is disturbed: the first time and the second. */
const moments = [0, 2]

describe('a training ends as if nothing had happened', { timeout: 240_000 }, () => {
  it('when the trainer is killed in mid-epoch', async () => {
    let starts = 1
    for (const from of moments) {
      // A trainer that was faster than the signal has ended its epoch: then the next one is cut off.
      for (let isCutOff = false; !isCutOff; starts++) {
        const trainer = startTrainer()
        const epoch = await midEpoch(trainer, from)
        await trainer.kill()
        isCutOff = readCheckpoint()?.nextEpoch === epoch && isInMidEpoch(await client.getRun(runId))
      }
    }
    const { generation } = await expectTwin(startTrainer())
    expect(generation).toBe(starts)
  })

  it('when the sampler is killed in mid-epoch and another one takes its place', async () => {
    const trainer = startTrainer()
    for (const from of moments) {
      for (let isCutOff = false; !isCutOff; ) {
        const epoch = await midEpoch(trainer, from)
        await sampler.kill()
        isCutOff = readCheckpoint()?.nextEpoch === epoch
        if (from === moments.at(-1)) await trainer.printed(/has not answered for 5 seconds: waiting for it\n$/)
        await startOwnSampler()
      }
    }
    const { generation } = await expectTwin(trainer)
    expect(generation).toBe(1)
  })

  it('when both are killed in mid-epoch', async () => {
    let starts = 1
    for (const from of moments) {
      for (let isCutOff = false; !isCutOff; starts++) {
        const trainer = startTrainer()
        const epoch = await midEpoch(trainer, from)
        await Promise.all([sampler.kill(), trainer.kill()])
        await startOwnSampler()
        isCutOff = readCheckpoint()?.nextEpoch === epoch && isInMidEpoch(await client.getRun(runId))
      }
    }
    const { generation } = await expectTwin(startTrainer())
    expect(generation).toBe(starts)
  })

  it('when a trainer that was taken for dead comes back: it ends with an error, and disturbs nothing', async () => {
    const zombie = startTrainer()
    await midEpoch(zombie, 1)
    zombie.signal('SIGSTOP')
    const elsewhere = join(own, 'elsewhere')
    cpSync(join(own, 'checkpoint'), elsewhere, { recursive: true })
    const heir = startTrainer(elsewhere)
    await midEpoch(heir, 2)
    zombie.signal('SIGCONT')
    const { code, stderr } = await zombie.ended
    expect(stderr).toMatch(
      /^error: this training is over: its run was taken back since, by another trainer that resumed it .*generation is 1/,
    )
    expect(code).toBe(1)
    const { generation } = await expectTwin(heir, elsewhere)
    expect(generation).toBe(2)
  })
})
