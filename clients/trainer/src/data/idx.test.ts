import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DataError } from './data-error.js'
import { decodeIdx, encodeIdx } from './idx.js'

const file = (bytes: Uint8Array) => ({ path: 'folder/some-file', bytes })
const images = encodeIdx({ shape: [2, 2, 3], values: Uint8Array.from({ length: 12 }, (_, i) => i) })

describe('decodeIdx', () => {
  it('reads back what encodeIdx wrote', () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(shapes, fc.integer({ min: 0, max: 255 }), (shape, first) => {
        const length = shape.reduce((product, size) => product * size, 1)
        const values = Uint8Array.from({ length }, (_, i) => first + i)
        expect(decodeIdx(file(encodeIdx({ shape, values })), shape.length)).toEqual({ shape, values })
      }),
    )
  })

  it('reads the header as big-endian, at any offset of its buffer', () => {
    const shifted = new Uint8Array([9, ...images]).subarray(1)
    expect([...images.subarray(0, 16)]).toEqual([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3])
    expect(decodeIdx(file(shifted), 3).shape).toEqual([2, 2, 3])
  })

  it.each([
    [
      'labels in place of images',
      encodeIdx({ shape: [3], values: new Uint8Array(3) }),
      /magic number is 0x00000801, not 0x00000803/,
    ],
    [
      'elements of another type',
      Uint8Array.from(images, (byte, i) => (i === 2 ? 0x0d : byte)),
      /magic number is 0x00000d03/,
    ],
    ['no magic number', images.subarray(0, 3), /truncated in its magic number: 4 bytes needed, 3 there/],
    ['no dimensions', images.subarray(0, 15), /truncated in its dimensions: 16 bytes needed, 15 there/],
    ['missing elements', images.subarray(0, 27), /truncated in its elements \(2 x 2 x 3\): 28 bytes needed, 27 there/],
    ['too many elements', new Uint8Array([...images, 1, 2]), /2 bytes follow the 2 x 2 x 3 elements/],
    ['no images', encodeIdx({ shape: [0, 2, 3], values: new Uint8Array(0) }), /dimensions 0 x 2 x 3 hold no element/],
  ])('refuses %s, naming file, field and remedy', (_, bytes, text) => {
    const read = () => decodeIdx(file(bytes), 3)
    expect(read).toThrow(DataError)
    expect(read).toThrow(text)
    expect(read).toThrow(/^folder\/some-file: .*\. (Check|Fetch|Use) .*\.$/)
  })
})
