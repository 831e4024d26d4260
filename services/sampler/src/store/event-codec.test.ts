import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeptSet } from '../core/selection/kept-set.js'
import { MAX_BINS } from '../core/selection/selection-summary.js'
import type { RunEvent } from '../runs/run-event.js'
import { decodeEvent, encodeEvent, eventLength } from './event-codec.js'

const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const time = fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.double({ noNaN: true }))
/** Every pattern of bits: also those that are no number. */
const losses = (count: number) =>
  fc.array(u32, { minLength: count, maxLength: count }).map((bits) => new Float32Array(Uint32Array.from(bits).buffer))
const keptSet = (...indices: number[]) => KeptSet.of(indices, Math.max(-1, ...indices) + 1)
const summary = { alwaysCount: 1, neverCount: 2, overlap: 0.25, timesKept: [2, 3, 1], binWidth: 1 }
const kept = fc
  .oneof(fc.uniqueArray(fc.nat(5_000), { maxLength: 20 }), fc.uniqueArray(fc.nat(300), { maxLength: 300 }))
  .map((indices) => keptSet(...indices))
const selection = fc.record({
  keptSet: fc.tuple(kept, fc.boolean()).map(([set, hasWeights]) => {
    if (!hasWeights || set.count === 0) return set
    return new KeptSet(set.bits, set.count, new Float32Array(set.count).fill(1.5))
  }),
  summary: fc.record({
    alwaysCount: u32,
    neverCount: u32,
    overlap: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    timesKept: fc.array(u32, { maxLength: MAX_BINS }),
    binWidth: u32,
  }),
})

const events: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record(
    {
      type: fc.constant('epoch_planned' as const),
      time,
      epoch: u32,
      worldSize: u16,
      reason: fc.constantFrom('warmup' as const, 'selected' as const, 'reused' as const, 'tail' as const),
      selected: selection,
    },
    { requiredKeys: ['type', 'time', 'epoch', 'worldSize', 'reason'] },
  ),
  fc.nat(40).chain((count) =>
    fc.record(
      {
        type: fc.constant('losses_reported' as const),
        time,
        epoch: u32,
        rank: u16,
        sequence: u32,
        indices: fc.array(u32, { minLength: count, maxLength: count }).map((indices) => Uint32Array.from(indices)),
        losses: losses(count),
        metrics: fc
          .uniqueArray(fc.record({ metric: fc.nat(7), values: losses(count) }), {
            selector: ({ metric }) => metric,
            minLength: 1,
          })
          .map((metrics) => metrics.sort((a, b) => a.metric - b.metric)),
      },
      { requiredKeys: ['type', 'time', 'epoch', 'rank', 'sequence', 'indices', 'losses'] },
    ),
  ),
  fc.record({ type: fc.constant('run_finished' as const), time }),
)

/** What can be compared: losses by their bits, since NaN has many. */
const comparable = (event: RunEvent) =>
  event.type === 'losses_reported'
    ? {
        ...event,
        losses: bits(event.losses),
        metrics: event.metrics?.map(({ metric, values }) => ({ metric, values: bits(values) })),
      }
    : event

function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.slice().buffer)
}

const report = (count: number): RunEvent & { type: 'losses_reported' } => ({
  type: 'losses_reported',
  time: 1_700_000_000_000,
  epoch: 2,
  rank: 3,
  sequence: 4,
  indices: Uint32Array.from({ length: count }, (_, i) => 1000 + i),
  losses: new Float32Array(count).fill(0.5),
})
const plan = (selected: KeptSet): RunEvent & { type: 'epoch_planned' } => ({
  type: 'epoch_planned',
  time: 5,
  epoch: 6,
  worldSize: 7,
  reason: 'selected',
  selected: { keptSet: selected, summary },
})

describe('the bytes of an event', () => {
  it('give the event back, wherever they lie', () => {
    fc.assert(
      fc.property(events, fc.nat(9), (event, offset) => {
        const bytes = encodeEvent(event)
        const moved = new Uint8Array(bytes.byteLength + 10)
        moved.set(bytes, offset)
        for (const copy of [bytes, moved.subarray(offset, offset + bytes.byteLength)]) {
          expect(comparable(decodeEvent(copy))).toEqual(comparable(event))
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('say their own length, a multiple of 4', () => {
    fc.assert(
      fc.property(events, fc.nat(9), (event, reserved) => {
        const { byteLength } = encodeEvent(event)
        const bytes = encodeEvent(event, reserved)
        expect(byteLength % 4).toBe(0)
        expect(bytes.byteLength).toBe(reserved + byteLength)
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        expect(eventLength(view, reserved)).toBe(byteLength)
      }),
    )
  })

  it('are refused where one is missing, and where there is one too many', () => {
    fc.assert(
      fc.property(events, (event) => {
        const bytes = encodeEvent(event)
        for (let length = 0; length < bytes.byteLength; length++) {
          expect(() => decodeEvent(bytes.subarray(0, length))).toThrow()
        }
        expect(() => decodeEvent(Uint8Array.from([...bytes, 0]))).toThrow()
      }),
      { numRuns: 50 },
    )
  })

  it('decode to an event or to an error, whatever they are', () => {
    const header = fc.tuple(fc.nat(6), fc.nat(5), fc.uint8Array({ minLength: 14, maxLength: 14 }), fc.nat(4), fc.nat(4))
    const words = fc.uint8Array({ maxLength: 10 }).map((bytes) => [...bytes].flatMap((byte) => [byte, 0, 0, byte]))
    fc.assert(
      fc.property(header, words, ([kind, reason, other, count, sequence], rest) => {
        const counts = [count, 0, 0, 0, sequence, 0, 0, 0]
        const bytes = Uint8Array.from([kind, reason, ...other, ...counts, ...rest])
        let event: RunEvent
        try {
          event = decodeEvent(bytes)
        } catch (error) {
          expect((error as Error).message).toMatch(/event|reason|kept/)
          return
        }
        expect(['epoch_planned', 'losses_reported', 'run_finished']).toContain(event.type)
      }),
      { numRuns: 3000 },
    )
  })

  it('are those of the format', () => {
    expect(Buffer.from(encodeEvent(report(2))).toString('hex')).toBe(
      [
        '04000300', // kind, rank
        '00008056febc7842', // time
        '02000000', // epoch
        '02000000', // count
        '04000000', // sequence
        'e8030000e9030000', // indices
        '0000003f0000003f', // losses
      ].join(''),
    )
    const values = (value: number) => new Float32Array(2).fill(value)
    const metrics = [
      { metric: 1, values: values(1) },
      { metric: 7, values: values(2) },
    ]
    expect(Buffer.from(encodeEvent({ ...report(2), metrics })).toString('hex')).toBe(
      [
        '04820300', // kind, metrics 1 and 7, rank
        '00008056febc7842020000000200000004000000e8030000e90300000000003f0000003f',
        '0000803f0000803f', // metric 1
        '0000004000000040', // metric 7
      ].join(''),
    )
    const ofSelection = [
      '0100000002000000', // always, never
      '000000000000d03f', // overlap
      '0100000003000000', // width of a bin, their number
      `020000000300000001000000${'00000000'.repeat(61)}`,
    ].join('')
    const indices = encodeEvent(plan(keptSet(64)))
    expect(Buffer.from(indices).toString('hex')).toBe(
      `020107000000000000001440060000000100000001000000${ofSelection}40000000`,
    )
    const bitmap = encodeEvent(plan(keptSet(0, 3, 33, 63)))
    expect(Buffer.from(bitmap).toString('hex')).toBe(
      `030107000000000000001440060000000400000002000000${ofSelection}0900000002000080`,
    )
    const weighted = encodeEvent(plan(new KeptSet(keptSet(64).bits, 1, Float32Array.of(2))))
    expect(Buffer.from(weighted).toString('hex')).toBe(
      `028107000000000000001440060000000100000001000000${ofSelection}4000000000000040`,
    )
    const { selected: _, ...before } = plan(keptSet())
    const reused = encodeEvent({ ...before, reason: 'reused' })
    expect(Buffer.from(reused).toString('hex')).toBe('010207000000000000001440060000000000000000000000')
    const finished = encodeEvent({ type: 'run_finished', time: 5 })
    expect(Buffer.from(finished).toString('hex')).toBe('050000000000000000001440000000000000000000000000')
  })

  it('are 8 for an observation and few besides, and a bit for a sample of a kept set', () => {
    expect(encodeEvent(report(256)).byteLength).toBe(24 + 256 * 8)
    const half = Uint32Array.from({ length: 50_000 }, (_, i) => 2 * i)
    expect(encodeEvent(plan(KeptSet.of(half, 100_000))).byteLength).toBe(24 + 280 + 100_000 / 8)
    // Also where the set has room for more samples.
    expect(encodeEvent(plan(KeptSet.of(half, 900_000))).byteLength).toBe(24 + 280 + 100_000 / 8)
    expect(encodeEvent(plan(keptSet(1, 1_000_000))).byteLength).toBe(24 + 280 + 2 * 4)
    const weighted = new KeptSet(KeptSet.of([1, 9], 10).bits, 2, Float32Array.of(1, 2))
    expect(encodeEvent(plan(weighted)).byteLength).toBe(24 + 280 + 4 + 2 * 4)
  })

  it('hold the kept set by itself, so that what was read with it can go', () => {
    for (const selected of [keptSet(1, 1_000_000), keptSet(0, 1, 2, 3)]) {
      const event = decodeEvent(encodeEvent(plan(selected)))
      expect(event).toMatchObject({ selected: { keptSet: selected } })
      const { keptSet: decoded } = (event.type === 'epoch_planned' && event.selected) || {}
      expect(decoded?.bits.buffer.byteLength).toBe(selected.bits.byteLength)
    }
  })
})

it.each([
  [{ ...report(1), rank: 0x10000 }, 'rank or world size 65536'],
  [{ ...report(1), epoch: -1 }, 'epoch -1'],
  [{ ...report(1), sequence: 2 ** 32 }, 'sequence 4294967296'],
  [{ ...report(1), sequence: 0.5 }, 'sequence 0.5'],
  [{ ...report(1), losses: new Float32Array(2) }, '2 losses for 1 indices'],
  [{ ...plan(keptSet(1)), reason: 'whim' }, 'reason or metrics -1'],
  [{ ...report(1), metrics: [{ metric: 8, values: new Float32Array(1) }] }, 'metric 8'],
  [{ ...report(1), metrics: [{ metric: 2, values: new Float32Array(2) }] }, '2 values of metric 2 for 1 indices'],
  [{ ...report(1), metrics: [2, 2].map((metric) => ({ metric, values: new Float32Array(1) })) }, 'not in their order'],
] as [RunEvent, string][])('an event that does not fit is refused: %#', (event, message) => {
  expect(() => encodeEvent(event)).toThrow(message)
})

it('a bitmap with another number of bits than it says is refused', () => {
  const bytes = encodeEvent(plan(keptSet(0, 1, 2, 3, 4)))
  bytes[16] = 6
  expect(() => decodeEvent(bytes)).toThrow('a kept set of 6 samples has 5 bits')
  bytes[16] = 33
  expect(() => decodeEvent(bytes)).toThrow('a kept set of 33 samples has 5 bits')
})
