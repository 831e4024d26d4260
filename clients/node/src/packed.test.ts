import { expect, it } from 'vitest'
import { pack, unpackF32, unpackU32, unpackU32To } from './packed.js'

it('packs little-endian, as a copy', () => {
  const indices = Uint32Array.of(1, 0x01020304)
  const bytes = pack(indices.subarray(1))
  indices.fill(0)
  expect([...bytes]).toEqual([4, 3, 2, 1])
  expect(pack(Float32Array.of(1.5)).readFloatLE()).toBe(1.5)
})

it('unpacks bytes of any alignment, as a copy', () => {
  const bytes = Buffer.from([99, 4, 3, 2, 1, 255, 255, 255, 255])
  const indices = unpackU32(bytes.subarray(1))
  bytes.fill(0)
  expect([...indices]).toEqual([0x01020304, 0xffffffff])
  const losses = Buffer.concat([Buffer.of(99), pack(Float32Array.of(1.5, Number.POSITIVE_INFINITY))])
  expect([...unpackF32(losses.subarray(1))]).toEqual([1.5, Number.POSITIVE_INFINITY])
})

it('unpacks bytes of any alignment into a part of an array', () => {
  const bytes = Buffer.from([99, 4, 3, 2, 1, 255, 255, 255, 255])
  const all = new Uint32Array(6).fill(7)
  expect(unpackU32To(all.subarray(1), 1, bytes.subarray(1))).toBe(2)
  bytes.fill(0)
  expect([...all]).toEqual([7, 7, 0x01020304, 0xffffffff, 7, 7])
})
