import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AbortedError, type Client, type CreateRunOptions, connect, type Run, ucb } from '@keepset/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TestSampler } from '../../support/test-sampler.js'
import { type TrainedEpoch, trainEpoch } from '../client/train.js'
import { runCommand } from './run-command.js'

let folder: string
let here: TestSampler
let client: Client
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keepset-runs-'))
  here = await TestSampler.start()
  client = connect(here.address)
})
afterEach(async () => {
  client.close()
  await here.stop()
  rmSync(folder, { recursive: true })
})

const settings: CreateRunOptions = {
  runId: 'demo',
  sampleCount: 5000,
  policy: ucb(),
  pruneRate: 0.5,
  epochs: 12,
  selectionPeriod: 2,
  seed: 7n,
}

/** Trains some epochs, and says what each of them was. */
async function train(run: Run, from: number, to: number): Promise<TrainedEpoch[]> {
  const trained: TrainedEpoch[] = []
  for (let epoch = from; epoch < to; epoch++) trained.push(await trainEpoch(await run.planEpoch(epoch), 500))
  await run.flush()
  return trained
}

const runs = (...args: string[]) => runCommand([...args, '--address', here.address])

describe('keepset runs', () => {
  it('lists and shows what the sampler has', async () => {
    expect(await runs('list')).toMatchObject({ code: 0, stderr: '' })
    expect(String((await runs('list')).stdout)).toMatch(/^No runs yet: /)
    const run = await client.createRun(settings)
    await client.createRun({ ...settings, runId: 'other', policy: { kind: 'full' }, pruneRate: 0 })
    await train(run, 0, 4)

    const { code, stdout, stderr } = await runs('list')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(String(stdout).trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^RUN ID +STATE +POLICY +SAMPLES +EPOCH +PRUNE RATE +SAVING +GENERATION +UPDATED$/),
      expect.stringMatching(/^demo +active +ucb +5,000 +4\/12 +0\.5 +37\.5 % +1 +\S.*$/),
      expect.stringMatching(/^other +active +full +5,000 +0\/12 +0 +0\.0 % +1 +\S.*$/),
    ])

    const listed = JSON.parse(String((await runs('list', '--json')).stdout))
    expect(listed.map(({ run_id }: { run_id: string }) => run_id)).toEqual(['demo', 'other'])
    const shown = JSON.parse(String((await runs('show', 'demo', '--json')).stdout))
    expect(shown).toEqual(listed[0])
    expect(shown).toMatchObject({
      next_epoch: 4,
      epoch_starts: (await run.info()).epochStarts,
      spec: { sample_count: 5000, seed: '7', policy: { name: 'ucb', alpha: 0.8 } },
      progress: { epochs_planned: 4, samples_planned: 12_500, selections: 2, observations: 12_500 },
    })
    expect(String((await runs('show', 'demo')).stdout)).toMatch(/^samples planned +12,500$/m)
  })

  it('moves a run to another sampler, where it goes on with the same plans', async () => {
    const run = await client.createRun(settings)
    await train(run, 0, 5)
    const file = join(folder, 'demo.export')
    expect(await runs('export', 'demo', '--output', file)).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^exported run demo to \S+ \(\d+\.\d kB\)\n$/),
    })
    expect((await runs('export', 'demo')).stdout.equals(readFileSync(file))).toBe(true)

    const there = await TestSampler.start()
    try {
      const imported = await runCommand(['import', file, '--as', 'copy', '--address', there.address])
      expect(imported).toMatchObject({ code: 0, stderr: '' })
      expect(String(imported.stdout)).toBe('imported run copy: 5,000 samples, ucb, next epoch 5\n')
      const other = connect(there.address)
      const expected = await train(run, 5, 9)
      expect(await train(await other.openRun('copy'), 5, 9)).toEqual(expected)
      other.close()

      const piped = await runCommand(['import', '-', '--json', '--address', there.address], readFileSync(file))
      expect(piped.code).toBe(0)
      expect(JSON.parse(String(piped.stdout))).toMatchObject({ run_id: 'demo', next_epoch: 5 })
    } finally {
      await there.stop()
    }
  })

  it('refuses what is no whole export, and a name that is taken', async () => {
    await client.createRun(settings)
    const file = join(folder, 'demo.export')
    await runs('export', 'demo', '--output', file)
    expect(await runs('import', file)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^error: there is a run "demo" already; give another name with --as, or delete that run .*\n$/,
      ),
    })

    const bytes = readFileSync(file)
    const flipped = Buffer.from(bytes)
    flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] as number) ^ 1
    for (const damaged of [bytes.subarray(0, -1), flipped, Buffer.from('not an export'), Buffer.alloc(0)]) {
      const bad = join(folder, 'bad.export')
      writeFileSync(bad, damaged)
      const { code, stdout, stderr } = await runs('import', bad, '--as', 'bad')
      expect({ code, stdout: String(stdout) }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(/^error: the export cannot be used: [^\n]*\n$/)
    }
    expect(JSON.parse(String((await runs('list', '--json')).stdout))).toHaveLength(1)
  })

  it('takes a run back, so that it makes the same plans again and refuses its old trainer', async () => {
    const run = await client.createRun(settings)
    const first = await train(run, 0, 5)
    expect(await runs('rewind', 'demo', '3', '--yes')).toMatchObject({
      code: 0,
      stderr: '',
      stdout: Buffer.from(
        'run demo is at the start of epoch 3, generation 2; it forgot the plans and reports of epochs 3 and 4\n',
      ),
    })
    await expect(run.planEpoch(3)).rejects.toThrow(AbortedError)
    expect(await train(await client.openRun('demo'), 3, 5)).toEqual(first.slice(3))

    const refused = await runs('rewind', 'demo', '1', '--yes')
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^error: run demo cannot go back to epoch 1: the sampler keeps the starts of epochs 0, 2, 3, 4, and 5 /,
      ),
    })
  })

  it('lists a damaged run, says so wherever it is named, and deletes it', async () => {
    const store = { store: 'file', dataDir: join(folder, 'data') } as const
    const before = await TestSampler.start(store)
    const other = connect(before.address)
    await train(await other.createRun(settings), 0, 2)
    other.close()
    await before.stop()
    const records = join(folder, 'data', 'runs')
    for (const path of readdirSync(records, { recursive: true, withFileTypes: true })) {
      if (path.isFile()) writeFileSync(join(path.parentPath, path.name), 'spoiled')
    }

    const after = await TestSampler.start(store)
    try {
      const command = (...args: string[]) => runCommand([...args, '--address', after.address])
      expect(String((await command('list')).stdout)).toMatch(/\ndemo +damaged( +-){7}\n$/)
      expect(JSON.parse(String((await command('list', '--json')).stdout))).toEqual([
        { run_id: 'demo', state: 'damaged' },
      ])
      for (const args of [
        ['show', 'demo'],
        ['export', 'demo'],
        ['statistics', 'demo'],
      ]) {
        expect(await command(...args)).toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/^error: the record of run "demo" is damaged[^\n]*\n$/),
        })
      }
      expect(String((await command('delete', 'demo', '--yes')).stdout)).toBe('deleted run demo\n')
      expect(JSON.parse(String((await command('list', '--json')).stdout))).toEqual([])
    } finally {
      await after.stop()
    }
  })

  it('deletes a run when it is told to', async () => {
    await client.createRun(settings)
    expect(await runs('delete', 'demo')).toMatchObject({
      code: 2,
      stderr: 'error: there is no terminal to ask on: give --yes to go on unasked\n',
    })
    expect((await client.getRun('demo')).state).toBe('active')
    expect(String((await runs('delete', 'demo', '--yes')).stdout)).toBe('deleted run demo\n')
    for (const args of [
      ['delete', 'demo', '--yes'],
      ['show', 'demo'],
      ['export', 'demo'],
      ['statistics', 'demo'],
    ]) {
      expect(await runs(...args)).toMatchObject({
        code: 1,
        stdout: Buffer.alloc(0),
        stderr: 'error: there is no run "demo"; "keepset runs list" shows the runs that are there\n',
      })
    }
  })
})
