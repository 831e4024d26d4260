import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImportRunRequest, type Run, RunServiceService } from '@keepset/proto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ask, collect } from '../../support/calls.js'
import { seededRandom } from '../../support/random.js'
import { refused } from '../../support/refusal.js'
import { type SamplerStubs, TestSampler } from '../../support/test-sampler.js'
import { trainEpoch } from './train-epoch.js'

const UCB = { policy: { $case: 'ucb', value: {} }, pruneRate: 0.5, selectionPeriod: 2, seed: 5n } as const

/** Keeps its runs in memory. */
let first: TestSampler
/** Keeps its runs in files, and few of them. */
let second: TestSampler
const dataDir = mkdtempSync(join(tmpdir(), 'keepset-import-'))
beforeAll(async () => {
  first = await TestSampler.start()
  second = await TestSampler.start({ store: 'file', dataDir, maxRuns: 4, maxSamples: 1000 })
})
afterAll(async () => {
  await first.stop()
  await second.stop()
  rmSync(dataDir, { recursive: true })
})

async function exportRun(from: SamplerStubs, runId: string): Promise<Buffer> {
  return Buffer.concat((await collect(from.runs.exportRun({ runId }))).map(({ chunk }) => chunk))
}

/** Imports bytes in messages of `size` bytes. */
function importRun(to: SamplerStubs, bytes: Buffer, { runId = '', size = 1000 } = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const call = to.runs.importRun((error, response) => (error ? reject(error) : resolve(response.run as Run)))
    call.write(ImportRunRequest.fromPartial({ runId }))
    for (let at = 0; at < bytes.length; at += size) {
      call.write(ImportRunRequest.fromPartial({ chunk: bytes.subarray(at, at + size) }))
    }
    call.end()
  })
}

/** A run that has trained so many epochs by two ranks, and a part of the next. */
async function trainedRun(runId: string, epochs: number): Promise<void> {
  await first.createRun(runId, { sampleCount: 100, ...UCB })
  for (let epoch = 0; epoch < epochs; epoch++) await trainEpoch(first, runId, epoch, { worldSize: 2, batchSize: 8 })
  await trainEpoch(first, runId, epochs, { worldSize: 2, batchSize: 8, reports: 3 })
}

test('a run exported in the middle of an epoch goes on in another sampler, with the same plans', async () => {
  await trainedRun('travels', 4)
  const bytes = await exportRun(first, 'travels')
  const imported = await importRun(second, bytes)
  expect(imported).toEqual(await first.getRun('travels'))
  expect(await second.getRun('travels')).toEqual(imported)

  // Both get the same plan again, know the reports that were made, and take the others.
  const samplers = [first, second]
  for (const sampler of samplers) {
    const plans = await sampler.planAll(2, { runId: 'travels', epoch: 4, generation: 1 })
    for (const [rank, { indices }] of plans.entries()) {
      for (let sequence = 1; sequence * 8 <= indices.length; sequence++) {
        const batch = indices.slice(sequence * 8 - 8, sequence * 8)
        const ack = await sampler.report({ runId: 'travels', epoch: 4, rank, sequence, indices: batch })
        expect(ack.duplicate).toBe(sequence <= 3)
      }
    }
  }
  for (let epoch = 5; epoch < 9; epoch++) {
    const digests = []
    for (const sampler of samplers)
      digests.push(await trainEpoch(sampler, 'travels', epoch, { worldSize: epoch % 3 || 1 }))
    expect(digests[1]).toBe(digests[0])
  }
  const [there, here] = await Promise.all(samplers.map((sampler) => sampler.getRun('travels')))
  expect(here?.progress).toEqual(there?.progress)
  await second.deleteRun('travels')
})

test('the epoch starts travel along: the imported run goes back to them', async () => {
  await trainedRun('with-starts', 5)
  await importRun(second, await exportRun(first, 'with-starts'))
  const digests = []
  for (const sampler of [first, second]) {
    expect((await sampler.getRun('with-starts')).epochStarts).toEqual([0, 3, 4, 5, 6])
    const request = { runId: 'with-starts', epoch: 3, generation: 1 }
    const { run } = await ask(sampler.runs, RunServiceService.rewindRun, request)
    expect(run).toMatchObject({ generation: 2, nextEpoch: 3, epochStarts: [0, 3] })
    digests.push(await trainEpoch(sampler, 'with-starts', 3), await trainEpoch(sampler, 'with-starts', 4))
    // That of epoch 0 is there without being sent.
    await ask(sampler.runs, RunServiceService.rewindRun, { runId: 'with-starts', epoch: 0, generation: 2 })
    for (const epoch of [0, 1]) digests.push(await trainEpoch(sampler, 'with-starts', epoch))
  }
  expect(digests.slice(4)).toEqual(digests.slice(0, 4))
  await second.deleteRun('with-starts')
})

test('a run that was imported between two epochs keeps the start of the next one, as where it came from', async () => {
  await first.createRun('between', { sampleCount: 100, ...UCB })
  for (const epoch of [0, 1]) await trainEpoch(first, 'between', epoch)
  await importRun(second, await exportRun(first, 'between'))
  onTestFinished(() => second.deleteRun('between'))
  for (const sampler of [first, second]) {
    await trainEpoch(sampler, 'between', 2)
    // A start is kept from when it is written, soon after the plan.
    await vi.waitFor(async () => expect((await sampler.getRun('between')).epochStarts).toEqual([0, 1, 2, 3]))
  }
})

test('the generation travels along, and so does that a run is finished', async () => {
  await trainedRun('older', 2)
  for (const generation of [1, 2]) {
    await ask(first.runs, RunServiceService.rewindRun, { runId: 'older', epoch: 2, generation })
    await trainEpoch(first, 'older', 2)
  }
  await first.finishRun('older')
  const imported = await importRun(second, await exportRun(first, 'older'))
  // Here it counts as finished when it was imported.
  const { updateTime: _, ...rest } = await first.getRun('older')
  expect(imported).toMatchObject(rest)
  expect(imported.generation).toBe(3)
  expect((await refused(second.plan({ runId: 'older', epoch: 3, generation: 3 }))).reason).toBe('RUN_FINISHED')
  await second.deleteRun('older')
})

test('a run can be imported under another name, beside itself, and the two part', async () => {
  await trainedRun('original', 3)
  const copy = await importRun(first, await exportRun(first, 'original'), { runId: 'copy' })
  expect(copy).toEqual({ ...(await first.getRun('original')), runId: 'copy' })
  await trainEpoch(first, 'copy', 3, { worldSize: 2, batchSize: 8, losses: (index) => index })
  expect((await first.getRun('original')).progress).not.toEqual((await first.getRun('copy')).progress)
  await first.deleteRun('original')
  expect(await trainEpoch(first, 'copy', 4)).toMatch(/^[0-9a-f]{64}$/)
})

test('the bytes are the same again, and from the imported run', async () => {
  await trainedRun('bytes', 2)
  const bytes = await exportRun(first, 'bytes')
  expect((await exportRun(first, 'bytes')).equals(bytes)).toBe(true)
  await importRun(second, bytes, { size: 1 })
  expect((await exportRun(second, 'bytes')).equals(bytes)).toBe(true)
  await second.deleteRun('bytes')
})

test('a large run comes in messages of at most 1 MB, as it was when its export began', async () => {
  await first.createRun('large', { sampleCount: 1_000_000 })
  const { indices } = await first.plan({ runId: 'large' })
  await first.report({ runId: 'large', sequence: 1, indices: indices.slice(0, 1000) })
  const stream = first.runs.exportRun({ runId: 'large' })
  const chunks: Buffer[] = []
  stream.once('data', () => stream.pause()) // Whatever more it has taken, it has not taken all.
  const whole = collect(stream)
  await new Promise((resolve) => stream.once('pause', resolve))
  const before = await first.getRun('large')
  for (let sequence = 2; sequence <= 40; sequence++) {
    await first.report({ runId: 'large', sequence, indices: indices.slice(1000 * sequence - 1000, 1000 * sequence) })
  }
  stream.resume()
  for (const { chunk } of await whole) chunks.push(chunk)
  for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(1_000_000)
  const other = await TestSampler.start()
  try {
    const imported = await importRun(other, Buffer.concat(chunks), { size: 500_000 })
    expect(imported).toEqual(before)
    const again = await other.report({ runId: 'large', sequence: 2, indices: indices.slice(1000, 2000) })
    expect(again).toMatchObject({ duplicate: false, observationCount: 1000 })
  } finally {
    await other.stop()
  }
})

describe('ImportRun refuses, and leaves nothing behind', () => {
  let whole: Buffer
  beforeAll(async () => {
    await trainedRun('fragile', 3)
    whole = await exportRun(first, 'fragile')
  })

  /** The refusal of an import that changes nothing in the second sampler. */
  async function refusedImport(bytes: Buffer, runId = '') {
    const before = await second.dump()
    const refusal = await refused(importRun(second, bytes, { runId }))
    expect(await second.dump()).toBe(before)
    return refusal
  }

  const badBytes = { code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD', fields: ['chunk'] }

  test('bytes that are cut off, wherever', async () => {
    const random = seededRandom(1)
    const cuts = [0, 1, 7, 8, 12, 16, whole.length - 1, ...Array.from({ length: 60 }, () => random() * whole.length)]
    for (const cut of cuts) {
      const refusal = await refusedImport(whole.subarray(0, cut))
      expect(refusal).toMatchObject(badBytes)
      expect(refusal.text).toContain('export')
    }
  })

  test('bytes of which one bit is another, wherever', async () => {
    const random = seededRandom(2)
    const places = [
      0,
      8,
      9,
      12,
      16,
      20,
      whole.length - 1,
      ...Array.from({ length: 100 }, () => random() * whole.length),
    ]
    for (const place of places) {
      const flipped = Buffer.from(whole)
      const at = Math.floor(place)
      flipped[at] = (flipped[at] as number) ^ (1 << Math.floor(random() * 8))
      expect(await refusedImport(flipped)).toMatchObject(badBytes)
    }
  })

  test('bytes after the end', async () => {
    expect(await refusedImport(Buffer.concat([whole, Buffer.of(0)]))).toMatchObject(badBytes)
    expect(await refusedImport(Buffer.concat([whole, whole]))).toMatchObject(badBytes)
  })

  test('a format of a newer version, and says so', async () => {
    const newer = Buffer.from(whole)
    newer.writeUInt32LE(newer.readUInt32LE(8) + 1, 8)
    const refusal = await refusedImport(newer)
    expect(refusal).toMatchObject(badBytes)
    expect(refusal.text).toContain('version 2')
    expect(refusal.text).toContain('version 1')
  })

  test('what is no export at all, and nothing', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('run_id,loss\n1,0.5\n'), Buffer.alloc(100_000, 7)]) {
      const refusal = await refusedImport(bytes)
      expect(refusal).toMatchObject(badBytes)
      expect(refusal.text).toContain('export')
    }
  })

  test('a name that no run can have', async () => {
    expect(await refusedImport(whole, '.hidden')).toMatchObject({ code: 'INVALID_ARGUMENT', fields: ['run_id'] })
  })

  test('a name that is taken', async () => {
    await second.createRun('fragile', { sampleCount: 10 })
    const refusal = await refusedImport(whole)
    expect(refusal).toMatchObject({ code: 'ALREADY_EXISTS', reason: 'RUN_EXISTS' })
    expect(refusal.text).toContain('"fragile"')
    await second.deleteRun('fragile')
  })

  test('a run above a limit', async () => {
    await first.createRun('wide', { sampleCount: 1001 })
    const tooWide = await refusedImport(await exportRun(first, 'wide'))
    expect(tooWide).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_MANY_SAMPLES' })
    for (const runId of ['a', 'b', 'c', 'd']) await second.createRun(runId, { sampleCount: 10 })
    const tooMany = await refusedImport(whole)
    expect(tooMany).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_MANY_RUNS' })
    for (const runId of ['a', 'b', 'c', 'd']) await second.deleteRun(runId)
  })

  test('none of all this stands in the way of the whole', async () => {
    expect(readdirSync(join(dataDir, 'runs'))).toEqual([])
    expect((await importRun(second, whole)).runId).toBe('fragile')
    expect((await refusedImport(whole)).reason).toBe('RUN_EXISTS')
  })
})

test('ExportRun of a run that is not there', async () => {
  const refusal = await refused(exportRun(first, 'nobody'))
  expect(refusal).toMatchObject({ code: 'NOT_FOUND', reason: 'RUN_NOT_FOUND' })
})
