import { createHash } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { ClassifierState } from '../models/classifier.js'
import { inWords } from './in-words.js'
import type { MetricsRecord } from './metrics.js'
import { differingSettings, type TrainingSettings } from './settings.js'
import { OptionError, type ResolvedTrainOptions } from './train-options.js'

/** A checkpoint is damaged, in the way, of another training, or without its run. The message says what to do. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError'
}

/** All that a training needs to go on at the start of an epoch. */
export interface Checkpoint {
  readonly runId: string
  readonly settings: TrainingSettings
  /** Epochs that are finished: all below this. */
  readonly nextEpoch: number
  /** Metrics so far. */
  readonly records: readonly MetricsRecord[]
  /** Weights and the state of the optimiser. */
  readonly state: ClassifierState
}

/*
 * The file, little-endian: magic, u32 version, u32 length of the header, the header as JSON, the values of each tensor in
 * the header's order as f32, SHA-256 of all before it.
 */
const magic = 'KEEPSETC'
const version = 1
const prefixLength = magic.length + 8
const digestLength = 32

const wholeNumber = z.int().nonnegative()
const recordTypes: readonly unknown[] = ['start', 'resume', 'epoch', 'summary'] satisfies MetricsRecord['type'][]
const isObject = (value: unknown) => typeof value === 'object' && value !== null

const headerSchema = z.object({
  runId: z.string(),
  /** Whoever goes on compares them one by one with its own. */
  settings: z.custom<TrainingSettings>(isObject, 'must be an object'),
  nextEpoch: wholeNumber,
  records: z
    .array(
      z.custom<MetricsRecord>(
        (value) => isObject(value) && recordTypes.includes((value as MetricsRecord).type),
        'must be a record of metrics',
      ),
    )
    .readonly(),
  tensors: z.array(z.object({ name: z.string(), shape: z.array(wholeNumber).readonly() })),
})

/** Path of the checkpoint in its folder. */
export function checkpointPath(directory: string): string {
  return join(directory, 'checkpoint.bin')
}

/**
 * Replaces the checkpoint in a folder. At every moment the folder has the old one or the new
 * one, whole: the new one is written beside it, brought to the disk, and renamed over it.
 */
export function saveCheckpoint(directory: string, checkpoint: Checkpoint): void {
  const path = checkpointPath(directory)
  const temporary = `${path}.tmp`
  const file = openSync(temporary, 'w')
  try {
    writeFileSync(file, encode(checkpoint))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  const folder = openSync(directory, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/**
 * Reads the checkpoint in a folder; undefined if there is none.
 *
 * @throws {CheckpointError} if it is damaged or from another version
 */
export function loadCheckpoint(directory: string): Checkpoint | undefined {
  const path = checkpointPath(directory)
  return existsSync(path) ? decode(path, readFileSync(path)) : undefined
}

/**
 * The checkpoint that a training starts from; undefined if it starts at epoch 0.
 *
 * @throws {OptionError} if the folder cannot be written to
 * @throws {CheckpointError} if there is one that was not asked for, that is damaged, or that is of another training
 */
export function openCheckpoint(options: ResolvedTrainOptions, settings: TrainingSettings): Checkpoint | undefined {
  if (options.checkpoint === undefined) return undefined
  if (!options.resume && existsSync(checkpointPath(options.checkpoint))) {
    throw new CheckpointError(
      `${options.checkpoint} already holds a checkpoint. Go on from it with --resume, or give another folder.`,
    )
  }
  makeWritable(options.checkpoint)
  const checkpoint = loadCheckpoint(options.checkpoint)
  if (checkpoint) checkResumable(checkpoint, settings, options.runId)
  return checkpoint
}

/** Better refused now than after the first epoch. */
function makeWritable(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true })
    accessSync(directory, constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new OptionError('checkpoint', directory, `cannot be written to (${code}): give another folder`)
  }
}

/** Refuses a checkpoint of another training; names all settings that differ, with both values. */
function checkResumable(checkpoint: Checkpoint, settings: TrainingSettings, runId: string | undefined): void {
  const differences = differingSettings(checkpoint.settings, settings).map((name) =>
    name === 'dataDigest'
      ? 'data (not the same images)'
      : `${name} (${inWords(checkpoint.settings[name])} in the checkpoint, ${inWords(settings[name])} now)`,
  )
  if (runId !== undefined && runId !== checkpoint.runId) {
    differences.unshift(`runId (${checkpoint.runId} in the checkpoint, ${runId} now)`)
  }
  if (differences.length > 0) {
    throw new CheckpointError(
      `The checkpoint is of a training with other settings: ${differences.join(', ')}. ` +
        'Resume with the same settings, or start a new training in another folder.',
    )
  }
}

function encode({ state, ...rest }: Checkpoint): Uint8Array {
  const tensors = Object.entries(state)
  const header: z.infer<typeof headerSchema> = {
    ...rest,
    tensors: tensors.map(([name, { shape }]) => ({ name, shape })),
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const valueCount = tensors.reduce((sum, [, { values }]) => sum + values.length, 0)
  const bytes = new Uint8Array(prefixLength + json.length + 4 * valueCount + digestLength)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(magic))
  view.setUint32(magic.length, version, true)
  view.setUint32(magic.length + 4, json.length, true)
  bytes.set(json, prefixLength)
  let offset = prefixLength + json.length
  for (const [, { values }] of tensors) {
    for (let i = 0; i < values.length; i++, offset += 4) view.setFloat32(offset, values[i] ?? 0, true)
  }
  bytes.set(digestOf(bytes.subarray(0, offset)), offset)
  return bytes
}

function decode(path: string, bytes: Uint8Array): Checkpoint {
  const damaged = (what: string) =>
    new CheckpointError(`${path}: ${what}. Delete the file and start anew, or put back a copy of it.`)
  if (
    bytes.length < prefixLength + digestLength ||
    new TextDecoder().decode(bytes.subarray(0, magic.length)) !== magic
  ) {
    throw damaged('not a checkpoint of this trainer')
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const foundVersion = view.getUint32(magic.length, true)
  if (foundVersion !== version) throw damaged(`version ${foundVersion}, this trainer reads version ${version}`)
  const end = bytes.length - digestLength
  if (!Buffer.from(digestOf(bytes.subarray(0, end))).equals(bytes.subarray(end))) {
    throw damaged('damaged: its checksum does not fit')
  }
  const headerEnd = prefixLength + view.getUint32(magic.length + 4, true)
  const header = headerSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes.subarray(prefixLength, headerEnd))))
  if (!header.success) {
    const { path: field, message } = header.error.issues[0] ?? { path: [], message: '' }
    throw damaged(`not as this trainer writes it: ${field.join('.')}: ${message}`)
  }
  const { tensors, ...rest } = header.data
  const sizes = tensors.map(({ shape }) => shape.reduce((product, length) => product * length, 1))
  if (headerEnd + 4 * sizes.reduce((sum, size) => sum + size, 0) !== end) {
    throw damaged('not as this trainer writes it: its values do not fit its tensors')
  }
  const state: Record<string, ClassifierState[string]> = {}
  let offset = headerEnd
  for (const [index, { name, shape }] of tensors.entries()) {
    const values = new Float32Array(sizes[index] ?? 0)
    for (let i = 0; i < values.length; i++, offset += 4) values[i] = view.getFloat32(offset, true)
    state[name] = { shape, values }
  }
  return { ...rest, state }
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
