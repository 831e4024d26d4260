import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readDataSet } from '../data/read-data-set.js'
import {
  type Checkpoint,
  CheckpointError,
  checkpointPath,
  loadCheckpoint,
  openCheckpoint,
  saveCheckpoint,
} from './checkpoint.js'
import { settingsOf } from './settings.js'
import { OptionError, resolveTrainOptions, type TrainOptions } from './train-options.js'

// The real file system, but for the one write that is made to fail.
vi.mock('node:fs', { spy: true })

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keepset-checkpoint-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const data = readDataSet(resolveTrainOptions({}).data)
const settings = settingsOf(resolveTrainOptions({}), data)
const makeCheckpoint = (nextEpoch: number): Checkpoint => ({
  runId: 'some-run',
  settings,
  nextEpoch,
  records: [
    {
      type: 'resume',
      time: 'now',
      epoch: 1,
      backend: 'wasm',
      backendReason: 'asked for',
      versions: { trainer: '1', node: '20', tensorflow: '4' },
    },
  ],
  state: {
    'dense/weights': {
      shape: [2, 3],
      values: Float32Array.of(1, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-45, nextEpoch),
    },
    'dense/bias': { shape: [], values: Float32Array.of(0.1) },
  },
})
const open = (options: TrainOptions) => {
  const resolved = resolveTrainOptions({ checkpoint: directory, ...options })
  return openCheckpoint(resolved, settingsOf(resolved, data))
}

describe('saveCheckpoint and loadCheckpoint', () => {
  it('give back what was saved, bit for bit', () => {
    const checkpoint = makeCheckpoint(3)
    saveCheckpoint(directory, checkpoint)
    const loaded = loadCheckpoint(directory)
    expect(loaded).toEqual(checkpoint)
    const bitsOf = (values: Float32Array = new Float32Array()) => [...new Uint32Array(values.buffer)]
    for (const [name, { values }] of Object.entries(checkpoint.state)) {
      expect(bitsOf(loaded?.state[name]?.values)).toEqual(bitsOf(values))
    }
  })

  it('replace the checkpoint before, and leave nothing beside it', () => {
    saveCheckpoint(directory, makeCheckpoint(3))
    saveCheckpoint(directory, makeCheckpoint(4))
    expect(loadCheckpoint(directory)?.nextEpoch).toBe(4)
    expect(existsSync(`${checkpointPath(directory)}.tmp`)).toBe(false)
  })

  it('keep the checkpoint before where the next one cannot be written to its end', () => {
    saveCheckpoint(directory, makeCheckpoint(3))
    vi.mocked(writeFileSync).mockImplementationOnce((file, data) => {
      const bytes = data as Uint8Array
      writeSync(file as number, bytes, 0, Math.floor(bytes.length / 2))
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    })
    expect(() => saveCheckpoint(directory, makeCheckpoint(4))).toThrow('no space left')
    expect(loadCheckpoint(directory)?.nextEpoch).toBe(3)
    saveCheckpoint(directory, makeCheckpoint(5))
    expect(loadCheckpoint(directory)?.nextEpoch).toBe(5)
  })

  it('find none in an empty folder', () => {
    expect(loadCheckpoint(directory)).toBeUndefined()
  })

  it('refuse a file with any byte changed, cut off, or of something else', () => {
    saveCheckpoint(directory, makeCheckpoint(3))
    const path = checkpointPath(directory)
    const whole = readFileSync(path)
    for (let at = 0; at < whole.length; at += 7) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      writeFileSync(path, damaged)
      expect(() => loadCheckpoint(directory)).toThrow(CheckpointError)
    }
    for (const length of [0, 10, whole.length - 1]) {
      writeFileSync(path, whole)
      truncateSync(path, length)
      expect(() => loadCheckpoint(directory)).toThrow(/Delete the file and start anew/)
    }
  })
})

describe('loadCheckpoint', () => {
  it.each<[what: string, wrong: object, text: RegExp]>([
    ['a field of another type', { nextEpoch: '3' }, /nextEpoch: /],
    ['a field missing', { runId: undefined }, /runId: /],
    ['a record of no known kind', { records: [{ type: 'end' }] }, /records\.0: must be a record of metrics/],
    ['a tensor without a shape', { state: { weights: { values: new Float32Array(1) } } }, /tensors\.0\.shape: /],
    [
      'more values than its tensors have',
      { state: { weights: { shape: [2], values: new Float32Array(3) } } },
      /its values do not fit its tensors/,
    ],
    [
      'fewer values than its tensors have',
      { state: { weights: { shape: [4], values: new Float32Array(3) } } },
      /its values do not fit its tensors/,
    ],
  ])('refuses a whole file with %s, by name', (_, wrong, text) => {
    saveCheckpoint(directory, { ...makeCheckpoint(3), ...wrong })
    expect(() => loadCheckpoint(directory)).toThrow(CheckpointError)
    expect(() => loadCheckpoint(directory)).toThrow(text)
  })
})

describe('openCheckpoint', () => {
  it('gives the checkpoint to a resumed training with the same settings', () => {
    saveCheckpoint(directory, makeCheckpoint(3))
    expect(open({ resume: true })?.nextEpoch).toBe(3)
    expect(open({ resume: true, runId: 'some-run', backend: 'cpu', address: 'elsewhere:1' })?.nextEpoch).toBe(3)
  })

  it('lets a resumed training start where there is none yet, and makes the folder', () => {
    const inner = join(directory, 'a', 'b')
    expect(open({ checkpoint: inner, resume: true })).toBeUndefined()
    expect(existsSync(inner)).toBe(true)
  })

  it('does not overwrite a checkpoint that was not asked for', () => {
    saveCheckpoint(directory, makeCheckpoint(3))
    expect(() => open({})).toThrow(/already holds a checkpoint. Go on from it with --resume/)
  })

  it('names every setting that differs, with both values', () => {
    saveCheckpoint(directory, makeCheckpoint(3))
    const resume = () =>
      open({
        resume: true,
        runId: 'other',
        epochs: 20,
        learningRate: 0.2,
        policySettings: { alpha: 0.5, c: 2 },
        columns: ['el2n', 'correct'],
      })
    expect(resume).toThrow(CheckpointError)
    expect(resume).toThrow(
      'runId (some-run in the checkpoint, other now), epochs (10 in the checkpoint, 20 now), ' +
        'learningRate (0.05 in the checkpoint, 0.2 now), policySettings (unset in the checkpoint, c=2,alpha=0.5 now), ' +
        'columns (unset in the checkpoint, correct,el2n now)',
    )
  })

  it('takes settings of the policy in any order for the same', () => {
    const folder = join(directory, 'ordered')
    const options = { checkpoint: folder, policySettings: { alpha: 0.5, c: 2 } }
    const resolved = resolveTrainOptions(options)
    open(options)
    saveCheckpoint(folder, { ...makeCheckpoint(3), settings: settingsOf(resolved, data) })
    expect(open({ checkpoint: folder, resume: true, policySettings: { c: 2, alpha: 0.5 } })?.nextEpoch).toBe(3)
    expect(() => open({ checkpoint: folder, resume: true, policySettings: { c: 3, alpha: 0.5 } })).toThrow(
      'policySettings (c=2,alpha=0.5 in the checkpoint, c=3,alpha=0.5 now)',
    )
  })

  it('refuses other images under the same path', () => {
    saveCheckpoint(directory, makeCheckpoint(3))
    const images = data.train.images.slice()
    images[12_345] = (images[12_345] ?? 0) ^ 1
    const resolved = resolveTrainOptions({ checkpoint: directory, resume: true })
    const changed = settingsOf(resolved, { ...data, train: { ...data.train, images } })
    expect(() => openCheckpoint(resolved, changed)).toThrow(/data \(not the same images\)/)
  })

  it('names a folder that cannot be one', () => {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    expect(() => open({ checkpoint: file })).toThrow(OptionError)
    expect(() => open({ checkpoint: file })).toThrow(/checkpoint: .*cannot be written to \(EEXIST\)/)
  })
})
