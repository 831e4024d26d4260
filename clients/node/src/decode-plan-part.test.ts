import { PlanEpochResponse, PlanHeader } from '@keepset/proto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodePlanPart } from './decode-plan-part.js'

const encode = (part: PlanEpochResponse['part']) => Buffer.from(PlanEpochResponse.encode({ part }).finish())

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const sizes = fc.oneof(fc.nat(300), fc.constantFrom(16_383, 16_384, 524_288))

it('decodes a chunk as the generated code does, without a copy of its arrays', () => {
  fc.assert(
    fc.property(u32, sizes, sizes, (startPosition, size, weightsSize) => {
      const [sampleIndices, weights] = [Buffer.alloc(size, 0xa5), Buffer.alloc(weightsSize, 0x5a)]
      const message = encode({ $case: 'chunk', value: { startPosition, sampleIndices, weights } })
      const { part } = decodePlanPart(message)
      expect(part?.$case).toBe('chunk')
      if (part?.$case !== 'chunk') return
      expect(part.value.startPosition).toBe(startPosition)
      expect(part.value.sampleIndices.equals(sampleIndices)).toBe(true)
      expect(part.value.weights.equals(weights)).toBe(true)
      if (size === 0) return // Then there is nothing that was worth it.
      expect(part.value.sampleIndices.buffer).toBe(message.buffer)
      if (weightsSize > 0) expect(part.value.weights.buffer).toBe(message.buffer)
    }),
  )
})

it('decodes a header, and a message without a part', () => {
  const value = PlanHeader.fromPartial({ epoch: 2, positionCount: 9, digest: Buffer.of(1, 2) })
  expect(decodePlanPart(encode({ $case: 'header', value }))).toEqual({ part: { $case: 'header', value } })
  expect(decodePlanPart(Buffer.alloc(0))).toEqual({ part: undefined })
})

const decoded = (decode: (message: Buffer) => PlanEpochResponse, message: Buffer) => {
  try {
    return decode(message)
  } catch {
    return 'refused'
  }
}

it('takes and refuses what the generated code takes and refuses', () => {
  // Mostly what a chunk is made of, so that the bytes are often nearly one.
  const byte = fc.oneof(
    fc.constantFrom(0, 1, 2, 4, 6, 0x08, 0x12, 0x18, 0x1a, 0x80, 0xff),
    fc.integer({ min: 0, max: 255 }),
  )
  const bytes = fc.array(byte, { maxLength: 12 }).map((values) => Buffer.from(values))
  const chunks = bytes.map((body) => Buffer.concat([Buffer.of(0x12, body.length), body]))
  const positions = bytes.map((body) =>
    Buffer.concat([Buffer.of(0x12, body.length + 4, 0x08, 0x85, 0x01, 0x12, body.length - 1), body]),
  )
  const withWeights = bytes.map((body) =>
    Buffer.concat([Buffer.of(0x12, body.length + 7, 0x08, 0x05, 0x12, 2, 7, 7, 0x1a), body]),
  )
  fc.assert(
    fc.property(fc.oneof(bytes, chunks, positions, withWeights), (message) => {
      expect(decoded(decodePlanPart, message)).toEqual(decoded(PlanEpochResponse.decode, message))
    }),
    { numRuns: 2_000 },
  )
})

it.each([
  ['fields in another order', [0x12, 8, 0x12, 4, 1, 2, 3, 4, 0x08, 5]],
  ['a field twice', [0x12, 10, 0x08, 1, 0x08, 5, 0x12, 4, 1, 2, 3, 4]],
  ['weights', [0x12, 14, 0x08, 5, 0x12, 4, 1, 2, 3, 4, 0x1a, 4, 5, 6, 7, 8]],
  ['weights alone', [0x12, 6, 0x1a, 4, 5, 6, 7, 8]],
  ['weights before the indices', [0x12, 12, 0x1a, 4, 5, 6, 7, 8, 0x12, 4, 1, 2, 3, 4]],
  ['weights twice', [0x12, 10, 0x12, 1, 1, 0x1a, 1, 5, 0x1a, 1, 6, 0x18, 9]],
  ['weights and a field that is not known', [0x12, 8, 0x12, 1, 1, 0x1a, 1, 5, 0x20, 9]],
  ['weights longer than the message', [0x12, 7, 0x12, 1, 1, 0x1a, 9, 5, 6]],
  ['indices longer than the message', [0x12, 7, 0x12, 9, 1, 0x1a, 1, 5, 6]],
  ['a field that is not known', [0x12, 10, 0x08, 5, 0x12, 4, 1, 2, 3, 4, 0x18, 9]],
  ['a number longer than it need be', [0x12, 8, 0x08, 0x85, 0x00, 0x12, 0x84, 0x00, 7, 7]],
  ['a chunk before a header', [0x12, 2, 0x08, 5, 0x0a, 2, 0x08, 3]],
  ['a start position of 64 bits', [0x12, 12, 0x08, 0x85, 0x80, 0x80, 0x80, 0x80, 0x01, 0x12, 4, 1, 2, 3, 4]],
  ['a start position past u32', [0x12, 12, 0x08, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x12, 4, 1, 2, 3, 4]],
])('decodes %s as the generated code does', (_, bytes) => {
  const message = Buffer.from(bytes)
  expect(decoded(decodePlanPart, message)).toEqual(decoded(PlanEpochResponse.decode, message))
})
