import { DataError } from './data-error.js'
import type { DataFile } from './read-data-file.js'

/** The IDX type code of unsigned bytes, the only element type of MNIST-format files. */
const UNSIGNED_BYTE = 0x08

/** An IDX file of unsigned bytes. */
export interface IdxArray {
  /** Length of each dimension, the slowest first. */
  readonly shape: readonly number[]
  readonly values: Uint8Array
}

/**
 * Parses an IDX file of unsigned bytes: two zero bytes, the type code, the number of dimensions, each dimension as
 * big-endian u32, then the elements (format: http://yann.lecun.com/exdb/mnist).
 *
 * @param dimensions how many the file must have: 3 for images, 1 for labels
 * @throws {DataError} if the magic number is another, or the length differs from what the header says
 */
export function decodeIdx(file: DataFile, dimensions: number): IdxArray {
  const { path, bytes } = file
  const expected = (UNSIGNED_BYTE << 8) | dimensions
  const headerLength = 4 + 4 * dimensions
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 4) throw truncated(path, 'magic number', 4, bytes.length)
  const magic = view.getUint32(0)
  if (magic !== expected) {
    const kind = dimensions === 1 ? 'labels' : 'images'
    throw new DataError(
      path,
      `magic number is ${hex(magic)}, not ${hex(expected)} (IDX, unsigned bytes, ${dimensions} dimensions)`,
      `Check that the file holds ${kind} in IDX format and was not renamed`,
    )
  }
  if (bytes.length < headerLength) throw truncated(path, 'dimensions', headerLength, bytes.length)
  const shape = Array.from({ length: dimensions }, (_, dimension) => view.getUint32(4 + 4 * dimension))
  if (shape.includes(0))
    throw new DataError(path, `dimensions ${shape.join(' x ')} hold no element`, 'Use a file with images')
  const length = headerLength + shape.reduce((product, size) => product * size, 1)
  if (bytes.length < length) throw truncated(path, `elements (${shape.join(' x ')})`, length, bytes.length)
  if (bytes.length > length) {
    throw new DataError(
      path,
      `${bytes.length - length} bytes follow the ${shape.join(' x ')} elements that the header counts`,
      'Fetch the file again, or correct its count',
    )
  }
  return { shape, values: bytes.subarray(headerLength) }
}

/** Writes what {@link decodeIdx} reads. */
export function encodeIdx(array: IdxArray): Uint8Array {
  const headerLength = 4 + 4 * array.shape.length
  const bytes = new Uint8Array(headerLength + array.values.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, (UNSIGNED_BYTE << 8) | array.shape.length)
  array.shape.forEach((size, dimension) => {
    view.setUint32(4 + 4 * dimension, size)
  })
  bytes.set(array.values, headerLength)
  return bytes
}

function truncated(path: string, field: string, needed: number, got: number): DataError {
  return new DataError(path, `truncated in its ${field}: ${needed} bytes needed, ${got} there`, 'Fetch the file again')
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
