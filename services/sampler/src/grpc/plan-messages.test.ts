import { PlanEpochResponse, PlanHeader } from '@keepset/proto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodePlanHeader, PlanChunkEncoder } from './plan-messages.js'

const generated = (part: NonNullable<PlanEpochResponse['part']>) =>
  Buffer.from(PlanEpochResponse.encode({ part }).finish())

const u32 = fc.integer({ min: 0, max: 0xffffffff })
/** Around every length at which a varint grows, 0 and the largest among them. */
const startPosition = fc.oneof(
  u32,
  fc.constantFrom(...[7, 14, 21, 28, 32].flatMap((bits) => [2 ** bits - 1, 2 ** bits % 2 ** 32])),
)
const indicesOf = (maxLength: number) => fc.array(u32, { maxLength }).map((values) => Uint32Array.from(values))

it('encodes each chunk as the generated code does, one after the other in the same memory', () => {
  const chunk = fc.record({ startPosition, indices: indicesOf(100) })
  fc.assert(
    fc.property(fc.array(chunk, { minLength: 1, maxLength: 5 }), fc.boolean(), (chunks, hasWeights) => {
      const encoder = new PlanChunkEncoder(Math.max(...chunks.map(({ indices }) => indices.length)), hasWeights)
      for (const { startPosition, indices } of chunks) {
        const weights = Float32Array.from(hasWeights ? indices : [], (index) => 1 + index / 7)
        const message = encoder.encode(startPosition, indices.length, (target, ofTarget) => {
          target.set(indices)
          if (hasWeights) ofTarget.set(weights)
        })
        const [sampleIndices, weightBytes] = [Buffer.from(indices.buffer), Buffer.from(weights.buffer)]
        const value = { startPosition, sampleIndices, weights: weightBytes }
        const part = { $case: 'chunk', value } as const
        expect(PlanEpochResponse.decode(message)).toEqual({ part })
        // The generated code writes a field that is empty no more than we write a start position of 0.
        if (indices.length > 0) expect(message).toEqual(generated(part))
      }
    }),
  )
})

it.each([1, 31, 32, 4_095, 4_096, 0x20000])('encodes %d positions as the generated code does', (count) => {
  const indices = Uint32Array.from({ length: count }, (_, i) => i * 2_654_435_761)
  const message = new PlanChunkEncoder(count).encode(count, count, (target) => target.set(indices))
  const value = { startPosition: count, sampleIndices: Buffer.from(indices.buffer), weights: Buffer.alloc(0) }
  expect(message.equals(generated({ $case: 'chunk', value }))).toBe(true)
})

it('encodes the header', () => {
  const value = PlanHeader.fromPartial({ epoch: 3, positionCount: 70_000, saving: 0.5, digest: Buffer.alloc(32, 7) })
  expect(PlanEpochResponse.decode(encodePlanHeader(value))).toEqual({ part: { $case: 'header', value } })
})
