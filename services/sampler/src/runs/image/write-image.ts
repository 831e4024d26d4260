import type { KeptSet } from '../../core/selection/kept-set.js'
import type { Run } from '../run.js'
import { columnNames } from '../run-spec.js'
import type { RunCapture } from '../run-state.js'
import { BlockBuffer } from './block-buffer.js'
import { BLOCK_SAMPLES, bytesOf, IMAGE_MAGIC, IMAGE_VERSION } from './image-format.js'
import { encodeHeader } from './image-header.js'

/** Largest piece, in bytes. */
const PIECE_BYTES = 0x80000

/**
 * A capture as the image of the run, in pieces of at most 1 MB: each is made when it is asked for, and good until the next one is, which may
 * use its memory again. Fresh memory would take longer than everything else that is done for an image.
 */
export function* writeImage(capture: RunCapture): Generator<Uint8Array, void, void> {
  const { sequences, previousSequences, keptSet, observed, spec, statistics } = capture
  yield encodeStart(capture)
  for (const array of [
    bytesOf(sequences),
    bytesOf(previousSequences),
    bitsOf(keptSet, spec.sampleCount),
    bytesOf(keptSet.weights ?? new Float32Array(0)),
    observed.subarray(0, Math.ceil(spec.sampleCount / 8)),
  ]) {
    yield* cut(array)
  }
  const block = new BlockBuffer(Math.min(BLOCK_SAMPLES, spec.sampleCount), columnNames(spec).length)
  for (let start = 0; start < spec.sampleCount; start += BLOCK_SAMPLES) {
    yield* cut(block.read(statistics, Math.min(BLOCK_SAMPLES, spec.sampleCount - start)))
  }
}

/** The image of a run that does not change while it is read; see `writeImage`. */
export function* imageOf(run: Run): Generator<Uint8Array, void, void> {
  const capture = run.capture()
  try {
    yield* writeImage(capture)
  } finally {
    capture.statistics.release()
  }
}

function encodeStart({ runId, spec, createTime, state, ...arrays }: RunCapture): Uint8Array {
  const ranks = arrays.sequences.length
  const previousRanks = arrays.previousSequences.length
  const keptCount = arrays.keptSet.count
  const header = Buffer.from(encodeHeader({ runId, spec, createTime, state, ranks, previousRanks, keptCount }))
  const start = Buffer.alloc(IMAGE_MAGIC.length + 8)
  start.write(IMAGE_MAGIC, 'latin1')
  start.writeUInt32LE(IMAGE_VERSION, IMAGE_MAGIC.length)
  start.writeUInt32LE(header.length, IMAGE_MAGIC.length + 4)
  return Buffer.concat([start, header])
}

/** A bit for each sample; nothing where the set is empty. */
function bitsOf({ bits, count }: KeptSet, sampleCount: number): Uint8Array {
  if (count === 0) return new Uint8Array(0)
  const length = Math.ceil(sampleCount / 8)
  if (bits.length >= length) return bits.subarray(0, length)
  const all = new Uint8Array(length)
  all.set(bits)
  return all
}

function* cut(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let start = 0; start < bytes.length; start += PIECE_BYTES) yield bytes.subarray(start, start + PIECE_BYTES)
}
