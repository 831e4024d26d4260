import { expect, it } from 'vitest'
import { crc32c } from './checksum.js'

const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)

/** RFC 3720, B.4, and the check value of the catalogue of CRCs. */
it.each([
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 rising', ascending, 0x46dd794e],
  ['32 falling', ascending.toReversed(), 0x113fdb5c],
  ['the digits', new TextEncoder().encode('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(0), 0],
])('is CRC32C of %s', (_, bytes, crc) => {
  expect(crc32c(bytes)).toBe(crc)
})

it('takes pieces, and any part of a buffer', () => {
  expect(crc32c(ascending.subarray(0, 5), new Uint8Array(0), ascending.subarray(5))).toBe(0x46dd794e)
})
