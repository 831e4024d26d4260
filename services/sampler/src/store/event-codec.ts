import type { PlanReason } from '../core/plans/epoch-rule.js'
import { countBits, KeptSet } from '../core/selection/kept-set.js'
import { MAX_BINS, type SelectionSummary } from '../core/selection/selection-summary.js'
import { Slab } from '../core/slab.js'
import type { MetricValues } from '../core/statistics/statistics-kernel.js'
import type { EpochPlanned, LossesReported, RunEvent } from '../runs/run-event.js'

/**
 * The bytes of an event, little-endian, a multiple of 4; docs/reference/storage.md has the table.
 * 0 u8 kind · 1 u8 reason, and whether there are weights, or a bit for each metric · 2 u16 rank or world size · 4 f64 time · 12 u32 epoch · 16 u32 count · 20 u32 sequence or bitmap words · 24 arrays
 */
export const EVENT_HEADER_BYTES = 24

const KINDS = {
  plannedAsBefore: 1,
  plannedAsIndices: 2,
  plannedAsBitmap: 3,
  lossesReported: 4,
  runFinished: 5,
} as const

/** The code of a reason is its place; new ones go to the end. */
const REASONS: readonly PlanReason[] = ['warmup', 'selected', 'reused', 'tail']

/** Beside the code of a reason: the kept set has weights. */
const HAS_WEIGHTS = 0x80

/** Words of what came of a selection: always, never, the overlap as an f64 that is NaN where there is none, the width of a bin, their number, and room for all. */
const SUMMARY_WORDS = 6 + MAX_BINS

const U8 = 0xff
const U16 = 0xffff
const U32 = 0xffff_ffff

/** Words of 32 bits that hold a bit for each sample up to the last one of the set. */
function bitmapWords({ bits }: KeptSet): number {
  return Math.ceil((bits.findLastIndex((byte) => byte !== 0) + 1) / 4)
}

/** The number of bytes that an event whose header begins at `offset` says it has; undefined where there is no event's header. */
export function eventLength(view: DataView, offset: number): number | undefined {
  if (offset + EVENT_HEADER_BYTES > view.byteLength) return undefined
  const count = view.getUint32(offset + 16, true)
  switch (view.getUint8(offset)) {
    case KINDS.plannedAsBefore:
    case KINDS.runFinished:
      return EVENT_HEADER_BYTES
    case KINDS.plannedAsIndices:
    case KINDS.plannedAsBitmap: {
      const weights = view.getUint8(offset + 1) & HAS_WEIGHTS ? count : 0
      return EVENT_HEADER_BYTES + 4 * (SUMMARY_WORDS + view.getUint32(offset + 20, true) + weights)
    }
    case KINDS.lossesReported:
      return EVENT_HEADER_BYTES + (8 + 4 * metricsOf(view.getUint8(offset + 1)).length) * count
    default:
      return undefined
  }
}

/** The bytes of an event, after `reserved` bytes for the caller; they can be a part of a larger buffer. Throws if a number does not fit into its field. */
export function encodeEvent(event: RunEvent, reserved = 0): Uint8Array {
  switch (event.type) {
    case 'epoch_planned':
      return encodePlanned(event, reserved)
    case 'losses_reported':
      return encodeLosses(event, reserved)
    case 'run_finished':
      return allocate(reserved, { kind: KINDS.runFinished, time: event.time }, 0)
  }
}

/** The event of these bytes. Its arrays may be views of them. Throws where the bytes are no event. */
export function decodeEvent(bytes: Uint8Array): RunEvent {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = eventLength(view, 0)
  if (length === undefined) throw new Error(`${bytes.byteLength} bytes are no event of a known kind`)
  if (length !== bytes.byteLength) throw new Error(`an event of ${length} bytes lies in ${bytes.byteLength}`)
  const kind = view.getUint8(0)
  const time = view.getFloat64(4, true)
  if (kind === KINDS.runFinished) return { type: 'run_finished', time }
  const epoch = view.getUint32(12, true)
  const count = view.getUint32(16, true)
  if (kind === KINDS.lossesReported) {
    const rank = view.getUint16(2, true)
    const sequence = view.getUint32(20, true)
    const words = wordsOf(bytes)
    const indices = words.subarray(0, count)
    const floats = (place: number) => new Float32Array(words.buffer, words.byteOffset + 4 * count * place, count)
    const event = { type: 'losses_reported', time, epoch, rank, sequence, indices, losses: floats(1) } as const
    const metrics = metricsOf(view.getUint8(1)).map((metric, i) => ({ metric, values: floats(2 + i) }))
    return metrics.length > 0 ? { ...event, metrics } : event
  }
  const code = view.getUint8(1) & ~HAS_WEIGHTS
  const reason = REASONS[code]
  if (reason === undefined) throw new Error(`${code} is no known reason of a plan`)
  const planned: EpochPlanned = { type: 'epoch_planned', time, epoch, worldSize: view.getUint16(2, true), reason }
  if (kind === KINDS.plannedAsBefore) return planned
  const words = wordsOf(bytes)
  const setWords = words.subarray(SUMMARY_WORDS, SUMMARY_WORDS + view.getUint32(20, true))
  const weights = words.length > SUMMARY_WORDS + setWords.length ? weightsOf(words, count) : undefined
  const keptSet = kind === KINDS.plannedAsIndices ? setOf(setWords, weights) : readBitmap(setWords, count, weights)
  return { ...planned, selected: { keptSet, summary: readSummary(words) } }
}

function encodePlanned(event: EpochPlanned, reserved: number): Uint8Array {
  const { time, epoch, worldSize, selected } = event
  const reason = REASONS.indexOf(event.reason)
  const header = { time, epoch, detail: reason, rank: worldSize }
  if (!selected) return allocate(reserved, { ...header, kind: KINDS.plannedAsBefore }, 0)
  const { bits, count, weights } = selected.keptSet
  const bitWords = bitmapWords(selected.keptSet)
  const asIndices = bitWords >= count
  const words = asIndices ? count : bitWords
  const bytes = allocate(
    reserved,
    {
      ...header,
      detail: weights ? reason | HAS_WEIGHTS : reason,
      kind: asIndices ? KINDS.plannedAsIndices : KINDS.plannedAsBitmap,
      count,
      sequence: words,
    },
    SUMMARY_WORDS + words + (weights ? count : 0),
  )
  const start = reserved + EVENT_HEADER_BYTES
  const set = bytes.subarray(start + 4 * SUMMARY_WORDS, start + 4 * (SUMMARY_WORDS + words))
  writeSummary(bytes, start, selected.summary)
  if (asIndices) set.set(bytesOf(selected.keptSet.indices()))
  else {
    set.fill(0)
    set.set(bits.subarray(0, 4 * words))
  }
  if (weights) bytes.set(bytesOf(weights), start + 4 * (SUMMARY_WORDS + words))
  return bytes
}

function writeSummary(bytes: Uint8Array, start: number, summary: SelectionSummary): void {
  const { alwaysCount, neverCount, overlap = Number.NaN, binWidth, timesKept } = summary
  const view = new DataView(bytes.buffer, bytes.byteOffset + start)
  bytes.fill(0, start, start + 4 * SUMMARY_WORDS)
  view.setUint32(0, alwaysCount, true)
  view.setUint32(4, neverCount, true)
  view.setFloat64(8, overlap, true)
  view.setUint32(16, binWidth, true)
  view.setUint32(20, whole('number of bins', timesKept.length, MAX_BINS), true)
  timesKept.forEach((count, bin) => {
    view.setUint32(24 + 4 * bin, count, true)
  })
}

function readSummary(words: Uint32Array): SelectionSummary {
  const [alwaysCount = 0, neverCount = 0, , , binWidth = 0, bins = 0] = words
  const overlap = new DataView(words.buffer, words.byteOffset).getFloat64(8, true)
  if (bins > MAX_BINS) throw new Error(`a histogram of times kept has ${bins} bins`)
  const timesKept = [...words.subarray(6, 6 + bins)]
  return { alwaysCount, neverCount, overlap: Number.isNaN(overlap) ? undefined : overlap, timesKept, binWidth }
}

/** A copy of the weights, which are the last of an event's words; as for a bitmap. */
function weightsOf(words: Uint32Array, count: number): Float32Array {
  return new Float32Array(new Uint32Array(words.subarray(words.length - count)).buffer)
}

function encodeLosses(event: LossesReported, reserved: number): Uint8Array {
  const { time, epoch, rank, sequence, indices, losses, metrics = [] } = event
  const count = indices.length
  if (losses.length !== count) throw new Error(`${losses.length} losses for ${count} indices`)
  const header = { kind: KINDS.lossesReported, detail: bitsOf(metrics), time, epoch, rank, count, sequence }
  const bytes = allocate(reserved, header, (2 + metrics.length) * count)
  const start = reserved + EVENT_HEADER_BYTES
  bytes.set(bytesOf(indices), start)
  bytes.set(bytesOf(losses), start + 4 * count)
  metrics.forEach(({ metric, values }, i) => {
    if (values.length !== count) throw new Error(`${values.length} values of metric ${metric} for ${count} indices`)
    bytes.set(bytesOf(values), start + 4 * count * (2 + i))
  })
  return bytes
}

/** A bit for each metric, by its place. */
function bitsOf(metrics: readonly MetricValues[]): number {
  let bits = 0
  for (const { metric } of metrics) {
    if (whole('metric', metric, 7) < 32 - Math.clz32(bits))
      throw new Error('metrics of an event are not in their order')
    bits |= 1 << metric
  }
  return bits
}

/** The places whose bit is set. */
function metricsOf(bits: number): number[] {
  const places: number[] = []
  for (let rest = bits; rest !== 0; rest &= rest - 1) places.push(31 - Math.clz32(rest & -rest))
  return places
}

interface EventHeader {
  readonly kind: number
  readonly time: number
  /** What is in byte 1. */
  readonly detail?: number
  readonly rank?: number
  readonly epoch?: number
  readonly count?: number
  readonly sequence?: number
}

/** Room for an event of so many words after its header, and the header in it. */
function allocate(reserved: number, header: EventHeader, words: number): Uint8Array {
  const { kind, time, detail = 0, rank = 0, epoch = 0, count = 0, sequence = 0 } = header
  const bytes = slab.take(reserved + EVENT_HEADER_BYTES + 4 * words)
  const view = new DataView(bytes.buffer, bytes.byteOffset + reserved)
  view.setUint8(0, kind)
  view.setUint8(1, whole('reason or metrics', detail, U8))
  view.setUint16(2, whole('rank or world size', rank, U16), true)
  view.setFloat64(4, time, true)
  view.setUint32(12, whole('epoch', epoch, U32), true)
  view.setUint32(16, whole('number of samples', count, U32), true)
  view.setUint32(20, whole('sequence', sequence, U32), true)
  return bytes
}

const slab = new Slab(0x4_0000)

/** Guards against numbers that a DataView would cut to size without a word. */
function whole(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new Error(`${name} ${value} of an event is not a whole number from 0 to ${max}`)
}

/** The set of these samples, ascending. */
function setOf(indices: Uint32Array, weights: Float32Array | undefined): KeptSet {
  const { bits, count } = KeptSet.of(indices, indices.length === 0 ? 0 : (indices.at(-1) as number) + 1)
  return new KeptSet(bits, count, weights)
}

function readBitmap(words: Uint32Array, count: number, weights: Float32Array | undefined): KeptSet {
  // A copy: a run keeps its kept set, which must not hold on to what else was read with it.
  const bits = new Uint8Array(new Uint32Array(words).buffer)
  const found = countBits(bits)
  if (found !== count) throw new Error(`a kept set of ${count} samples has ${found} bits`)
  return new KeptSet(bits, count, weights)
}

/** What follows the header, as words: a view where it is aligned, else a copy. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const start = bytes.byteOffset + EVENT_HEADER_BYTES
  const length = (bytes.byteLength - EVENT_HEADER_BYTES) / 4
  if (start % 4 === 0) return new Uint32Array(bytes.buffer, start, length)
  return new Uint32Array(new Uint8Array(bytes.subarray(EVENT_HEADER_BYTES)).buffer)
}

function bytesOf(array: Uint32Array | Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
