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
import type { ClassifierState } from '../models/classifier.js'
import type { MetricsRecord } from './metrics.js'
import { differingSettings, type TrainingSettings } from './settings.js'
import { OptionError, type ResolvedTrainOptions } from './train-options.js'

/** A checkpoint is damaged, in the way, or belongs to another training. The message says what to do. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError'
}

/** All that a training needs to go on after an epoch. */
export interface Checkpoint {
  readonly runId: string
  readonly settings: TrainingSettings
  /** Epochs that are finished: all below this. */
  readonly nextEpoch: number
  /** Reports sent for the last finished epoch. */
  readonly lastSequence: number
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

interface Header extends Omit<Checkpoint, 'state'> {
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[]
}

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
      : `${name} (${checkpoint.settings[name] ?? 'unset'} in the checkpoint, ${settings[name] ?? 'unset'} now)`,
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
  const header: Header = { ...rest, tensors: tensors.map(([name, { shape }]) => ({ name, shape })) }
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
  const { tensors, ...rest } = JSON.parse(new TextDecoder().decode(bytes.subarray(prefixLength, headerEnd))) as Header
  const state: Record<string, ClassifierState[string]> = {}
  let offset = headerEnd
  for (const { name, shape } of tensors) {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
    for (let i = 0; i < values.length; i++, offset += 4) values[i] = view.getFloat32(offset, true)
    state[name] = { shape, values }
  }
  return { ...rest, state }
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
