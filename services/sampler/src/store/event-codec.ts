import type { PlanReason } from '../core/plans/epoch-rule.js'
import { countBits, KeptSet } from '../core/selection/kept-set.js'
import { Slab } from '../core/slab.js'
import type { MetricValues } from '../core/statistics/statistics-kernel.js'
import type { EpochPlanned, LossesReported, RunEvent } from '../runs/run-event.js'

/**
 * The bytes of an event, little-endian, a multiple of 4; docs/reference/storage.md has the table.
 * 0 u8 kind · 1 u8 reason or a bit for each metric · 2 u16 rank or world size · 4 f64 time · 12 u32 epoch · 16 u32 count · 20 u32 sequence or bitmap words · 24 arrays
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
      return EVENT_HEADER_BYTES + 4 * count
    case KINDS.plannedAsBitmap:
      return EVENT_HEADER_BYTES + 4 * view.getUint32(offset + 20, true)
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
  const reason = REASONS[view.getUint8(1)]
  if (reason === undefined) throw new Error(`${view.getUint8(1)} is no known reason of a plan`)
  const planned: EpochPlanned = { type: 'epoch_planned', time, epoch, worldSize: view.getUint16(2, true), reason }
  if (kind === KINDS.plannedAsBefore) return planned
  return { ...planned, selected: kind === KINDS.plannedAsIndices ? setOf(wordsOf(bytes)) : readBitmap(bytes, count) }
}

function encodePlanned(event: EpochPlanned, reserved: number): Uint8Array {
  const { time, epoch, worldSize, selected } = event
  const reason = REASONS.indexOf(event.reason)
  const header = { time, epoch, detail: reason, rank: worldSize }
  if (!selected) return allocate(reserved, { ...header, kind: KINDS.plannedAsBefore }, 0)
  const { bits, count } = selected
  const words = bitmapWords(selected)
  if (words >= count) {
    const bytes = allocate(reserved, { ...header, kind: KINDS.plannedAsIndices, count }, count)
    bytes.set(bytesOf(selected.indices()), reserved + EVENT_HEADER_BYTES)
    return bytes
  }
  const bytes = allocate(reserved, { ...header, kind: KINDS.plannedAsBitmap, count, sequence: words }, words)
  const start = reserved + EVENT_HEADER_BYTES
  bytes.fill(0, start)
  bytes.set(bits.subarray(0, 4 * words), start)
  return bytes
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
function setOf(indices: Uint32Array): KeptSet {
  return KeptSet.of(indices, indices.length === 0 ? 0 : (indices.at(-1) as number) + 1)
}

function readBitmap(bytes: Uint8Array, count: number): KeptSet {
  // A copy: a run keeps its kept set, which must not hold on to what else was read with it.
  const bits = new Uint8Array(bytes.subarray(EVENT_HEADER_BYTES))
  const found = countBits(bits)
  if (found !== count) throw new Error(`a kept set of ${count} samples has ${found} bits`)
  return new KeptSet(bits, count)
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
