import { crc32c } from './checksum.js'
import { Damage, TornHeader } from './file-errors.js'

/** Of the files with snapshots and events, and of what is in them. */
const FORMAT_VERSION = 1

const VERSION_AT = 8
const RUN_AT = 12
const CHECKSUM_BYTES = 4

const encoder = new TextEncoder()

/**
 * What a kind of file begins with: magic, u32 version, CRC32C of the run_id, its own fields from byte 16 on, and CRC32C of all that in the last 4 bytes.
 */
export interface HeaderFormat {
  /** 8 ASCII letters. */
  readonly magic: string
  readonly length: number
}

/** The header of a file of a run; `fill` puts the fields in their places. */
export function sealHeader({ magic, length }: HeaderFormat, runId: string, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  bytes.set(encoder.encode(magic))
  view.setUint32(VERSION_AT, FORMAT_VERSION, true)
  view.setUint32(RUN_AT, crc32c(encoder.encode(runId)), true)
  fill(view)
  view.setUint32(length - CHECKSUM_BYTES, crc32c(bytes.subarray(0, length - CHECKSUM_BYTES)), true)
  return bytes
}

/** The header that the bytes of a file begin with. Throws TornHeader if they are no whole header, Damage if it is of another version or another run. */
export function openHeader({ magic, length }: HeaderFormat, runId: string, path: string, bytes: Uint8Array): DataView {
  if (bytes.byteLength < length)
    throw new TornHeader(path, bytes.byteLength, `the header of ${length} bytes is cut off`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  if (String.fromCharCode(...bytes.subarray(0, VERSION_AT)) !== magic) {
    throw new TornHeader(path, 0, `the file does not begin with ${magic}`)
  }
  const version = view.getUint32(VERSION_AT, true)
  if (version !== FORMAT_VERSION) {
    const what = `the format is ${version}, and this version of Keepset reads ${FORMAT_VERSION}: written by a newer version, or damaged`
    throw new Damage(path, VERSION_AT, what)
  }
  if (view.getUint32(length - CHECKSUM_BYTES, true) !== crc32c(bytes.subarray(0, length - CHECKSUM_BYTES))) {
    throw new TornHeader(path, 0, 'the checksum of the header does not match')
  }
  if (view.getUint32(RUN_AT, true) !== crc32c(encoder.encode(runId))) {
    throw new Damage(path, RUN_AT, `the file belongs to another run than "${runId}"`)
  }
  return view
}
