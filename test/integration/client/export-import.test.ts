import { type Client, connect, InvalidArgumentError, RunExistsError, RunNotFoundError, ucb } from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { trainEpoch } from './train.js'

let samplers: Sampler[]
let clients: Client[]

beforeAll(async () => {
  samplers = [
    await startSampler({ store: 'memory', logLevel: 'silent' }),
    await startSampler({ store: 'memory', logLevel: 'silent' }),
  ]
  clients = samplers.map(({ addresses }) => connect(addresses.grpc))
})

afterAll(async () => {
  for (const client of clients) client.close()
  for (const sampler of samplers) await sampler.stop()
})

const settings = { sampleCount: 200, policy: ucb(), pruneRate: 0.5, epochs: 8, selectionPeriod: 2, seed: 6n }
const batchSize = 16

/** The two samplers' clients. */
function both(): [Client, Client] {
  const [here, there] = clients
  if (!here || !there) throw new Error('not started')
  return [here, there]
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function* inPieces(bytes: Buffer, size = 1000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

it('brings a run from one sampler to another in one step, and both go on with the same plans', async () => {
  const [here, there] = both()
  const run = await here.createRun({ runId: 'moved', ...settings })
  for (let epoch = 0; epoch < 3; epoch++) await trainEpoch(await run.planEpoch(epoch), batchSize)
  await run.flush()

  const moved = await there.importRun(here.exportRun('moved'))
  expect([moved.runId, moved.generation]).toEqual(['moved', 1])
  expect(await moved.info()).toEqual(await run.info())
  for (let epoch = 3; epoch < 8; epoch++) {
    const trained = []
    for (const one of [run, moved]) trained.push(await trainEpoch(await one.planEpoch(epoch), batchSize))
    expect(trained[1]).toEqual(trained[0])
  }
  expect((await moved.finish()).progress).toEqual((await run.finish()).progress)
})

it('imports under another name', async () => {
  const [here] = both()
  const run = await here.createRun(settings)
  await trainEpoch(await run.planEpoch(0), batchSize)
  await run.flush()
  const copy = await here.importRun(here.exportRun(run.runId), { runId: 'a-copy' })
  expect(await copy.info()).toEqual({ ...(await run.info()), runId: 'a-copy' })
  await expect(here.importRun(here.exportRun(run.runId), { runId: 'a-copy' })).rejects.toBeInstanceOf(RunExistsError)
  await expect(here.importRun(here.exportRun(run.runId))).rejects.toBeInstanceOf(RunExistsError)
})

it('refuses what is no whole, undamaged export, says what is wrong with it, and leaves nothing behind', async () => {
  const [here, there] = both()
  const run = await here.createRun({ runId: 'fragile', ...settings })
  await trainEpoch(await run.planEpoch(0), batchSize)
  await run.flush()
  const whole = await readAll(here.exportRun('fragile'))
  const flipped = Buffer.from(whole)
  flipped[whole.length >> 1] = 0xff ^ (flipped[whole.length >> 1] as number)
  const newer = Buffer.from(whole)
  newer.writeUInt32LE(999, 8)
  for (const [bytes, text] of [
    [whole.subarray(0, whole.length - 1), /ends|missing|cut/],
    [whole.subarray(0, 100), /ends|missing|cut/],
    [flipped, /checksum|damaged|byte/],
    [newer, /version 999/],
    [Buffer.from('something else altogether'), /no export/],
  ] as const) {
    const error = await there.importRun(inPieces(bytes)).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(InvalidArgumentError)
    expect(error).toMatchObject({ message: expect.stringMatching(text), fieldViolations: [{ field: 'chunk' }] })
    await expect(there.getRun('fragile')).rejects.toBeInstanceOf(RunNotFoundError)
  }
  expect((await there.importRun(inPieces(whole))).runId).toBe('fragile')
})

it('leaves nothing behind of an import whose source fails', async () => {
  const [here, there] = both()
  await here.createRun({ runId: 'broken-off', ...settings })
  const whole = await readAll(here.exportRun('broken-off'))
  const broken = new Error('the disk is gone')
  async function* failing() {
    yield whole.subarray(0, whole.length >> 1)
    throw broken
  }
  await expect(there.importRun(failing())).rejects.toBe(broken)
  await expect(there.getRun('broken-off')).rejects.toBeInstanceOf(RunNotFoundError)
  expect((await there.importRun(inPieces(whole))).runId).toBe('broken-off')
})

it('exports nothing of a run that is not there', async () => {
  const [here] = both()
  await expect(here.exportRun('nobody').next()).rejects.toBeInstanceOf(RunNotFoundError)
})
