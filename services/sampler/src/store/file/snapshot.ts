import type { ByteStream } from '../../runs/ports.js'
import { crc32c } from './checksum.js'
import type { DiskFile } from './disk.js'
import { Damage } from './file-errors.js'
import { openHeader, sealHeader } from './file-header.js'
import type { RecordPlace } from './record-place.js'

const HEADER = { magic: 'KEEPSETS', length: 48 }

/** Before the bytes of a frame: u32 length, and CRC32C of the checksum before it (that of the header for the first frame), the length, and the bytes. */
const FRAME_HEADER_BYTES = 8

/** Most bytes of an image in one frame. */
export const MAX_FRAME_BYTES = 0x10_0000

/** Whole frames that are synced at once: the sync of a journal on the same disk waits for what else is to be written, and so for no more than that. */
export const SYNC_FRAMES = 4

/** What a snapshot says of itself. */
export interface SnapshotHeader {
  readonly serial: number
  /** Events of the run that it covers. */
  readonly position: number
  /** Of the lease that wrote it. */
  readonly fence: number
  readonly epochStart: number | undefined
}

/** What the name of the file says of a snapshot. */
type NamedSnapshot = Pick<SnapshotHeader, 'serial' | 'epochStart'>

function sealSnapshotHeader(runId: string, { serial, position, fence, epochStart }: SnapshotHeader): Uint8Array {
  return sealHeader(HEADER, runId, (view) => {
    view.setBigUint64(16, BigInt(position), true)
    view.setBigUint64(24, BigInt(fence), true)
    view.setUint32(32, serial, true)
    view.setUint32(36, epochStart === undefined ? 0 : 1, true)
    view.setUint32(40, epochStart ?? 0, true)
  })
}

/** Writes the file of a snapshot, to its end, and syncs it. */
export async function writeSnapshot(
  { disk, runId }: Pick<RecordPlace, 'disk' | 'runId'>,
  path: string,
  header: SnapshotHeader,
  image: ByteStream,
): Promise<void> {
  const file = await disk.createFile(path)
  try {
    const frames = new FrameWriter(file, sealSnapshotHeader(runId, header))
    for await (const piece of image) await frames.write(piece)
    await frames.end()
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The header of a snapshot; throws Damage if it is not that of the snapshot which the name of the file says. */
export async function readSnapshotHeader(
  file: DiskFile,
  runId: string,
  path: string,
  expected: NamedSnapshot,
): Promise<SnapshotHeader & { readonly checksum: number }> {
  const view = openHeader(HEADER, runId, path, await file.read(0, HEADER.length))
  const serial = view.getUint32(32, true)
  const epochStart = view.getUint32(36, true) === 0 ? undefined : view.getUint32(40, true)
  if (serial !== expected.serial || epochStart !== expected.epochStart) {
    const is = `${serial}${epochStart === undefined ? '' : ` of the start of epoch ${epochStart}`}`
    throw new Damage(path, 32, `snapshot ${is} lies under this name`)
  }
  return {
    position: Number(view.getBigUint64(16, true)),
    fence: Number(view.getBigUint64(24, true)),
    serial,
    epochStart,
    checksum: view.getUint32(HEADER.length - 4, true),
  }
}

/** The image in a snapshot. Every piece has been checked; whether the image is whole is known at its end. */
export async function* readImage(
  file: DiskFile,
  runId: string,
  path: string,
  expected: NamedSnapshot,
): AsyncGenerator<Uint8Array, void, void> {
  const size = await file.size()
  let { checksum } = await readSnapshotHeader(file, runId, path, expected)
  let offset = HEADER.length
  for (;;) {
    const bytes = await file.read(offset, Math.min(FRAME_HEADER_BYTES + MAX_FRAME_BYTES, size - offset))
    if (bytes.byteLength < FRAME_HEADER_BYTES) throw new Damage(path, offset, 'the file ends before its last frame')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const length = view.getUint32(0, true)
    if (length > bytes.byteLength - FRAME_HEADER_BYTES) {
      throw new Damage(path, offset, `a frame of ${length} bytes does not fit`)
    }
    const data = bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length)
    checksum = frameChecksum(checksum, data)
    if (view.getUint32(4, true) !== checksum) throw new Damage(path, offset, 'the checksum of the frame does not match')
    offset += FRAME_HEADER_BYTES + length
    if (length === 0) break
    yield data
  }
  if (offset !== size) throw new Damage(path, offset, `${size - offset} bytes follow the last frame`)
}

/** Gathers an image into frames of the greatest length; the last one, which is empty, ends it. */
class FrameWriter {
  readonly #file: DiskFile
  readonly #data = Buffer.allocUnsafeSlow(MAX_FRAME_BYTES)
  #filled = 0
  #unsyncedFrames = 0
  #checksum: number
  /** What is to be written before the data. */
  #pieces: Uint8Array[]

  constructor(file: DiskFile, header: Uint8Array) {
    this.#file = file
    this.#pieces = [header]
    this.#checksum = new DataView(header.buffer).getUint32(HEADER.length - 4, true)
  }

  /** Takes the bytes; when it resolves they are needed no more. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.byteLength > 0; ) {
      const part = rest.subarray(0, MAX_FRAME_BYTES - this.#filled)
      this.#data.set(part, this.#filled)
      this.#filled += part.byteLength
      rest = rest.subarray(part.byteLength)
      if (this.#filled === MAX_FRAME_BYTES) await this.#flush()
    }
  }

  async end(): Promise<void> {
    if (this.#filled > 0) this.#closeFrame()
    this.#closeFrame()
    await this.#file.append(this.#pieces)
  }

  async #flush(): Promise<void> {
    this.#closeFrame()
    await this.#file.append(this.#pieces)
    this.#pieces = []
    if (++this.#unsyncedFrames < SYNC_FRAMES) return
    await this.#file.sync()
    this.#unsyncedFrames = 0
  }

  #closeFrame(): void {
    const data = this.#data.subarray(0, this.#filled)
    this.#checksum = frameChecksum(this.#checksum, data)
    this.#pieces.push(words(this.#filled, this.#checksum), data)
    this.#filled = 0
  }
}

function frameChecksum(before: number, data: Uint8Array): number {
  return crc32c(words(before, data.byteLength), data)
}

function words(first: number, second: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8))
  view.setUint32(0, first, true)
  view.setUint32(4, second, true)
  return new Uint8Array(view.buffer)
}
