import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { ByteStream } from '../../runs/ports.js'
import { Damage } from './file-errors.js'
import {
  MAX_FRAME_BYTES,
  readImage,
  readSnapshotHeader,
  type SnapshotHeader,
  SYNC_FRAMES,
  writeSnapshot,
} from './snapshot.js'
import { edit, recordPlace } from './testing/record-folder.js'
import { systemError } from './testing/scripted-disk.js'
import { removeTemporaryFolders } from './testing/temporary-folder.js'
import { withFile } from './with-file.js'

afterAll(removeTemporaryFolders)

const HEADER_BYTES = 48
const HEADER: SnapshotHeader = { serial: 9, position: 7, fence: 3, epochStart: 12 }

type Place = Awaited<ReturnType<typeof recordPlace>>

async function write(place: Place, image: ByteStream, header = HEADER): Promise<string> {
  const path = join(place.folder, `snapshot-${place.disk.calls.length}`)
  await writeSnapshot(place, path, header, image)
  return path
}

/** The image that is read from a file, and how it came. */
async function read(place: Place, path: string, expected = HEADER) {
  const pieces: Uint8Array[] = []
  const lengths: number[] = []
  await withFile(place.disk, path, async (file) => {
    for await (const piece of readImage(file, place.runId, path, expected)) {
      pieces.push(piece.slice())
      lengths.push(piece.byteLength)
    }
  })
  return { image: Buffer.concat(pieces), lengths }
}

/** Bytes of which no two places look alike. */
const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 2_654_435_761) >>> 24)

describe('a snapshot', () => {
  it('gives its header and its image back', async () => {
    const place = await recordPlace()
    for (const header of [HEADER, { ...HEADER, epochStart: undefined }, { ...HEADER, epochStart: 0 }]) {
      const path = await write(place, [bytesOf(100)], header)
      const found = await withFile(place.disk, path, (file) => readSnapshotHeader(file, 'run', path, header))
      expect(found).toMatchObject(header)
      expect((await read(place, path, header)).image).toEqual(Buffer.from(bytesOf(100)))
    }
  })

  it('is of the format', async () => {
    const place = await recordPlace()
    const path = await write(place, [new TextEncoder().encode('abc')])
    // Made by a program of its own, from docs/reference/storage.md.
    const expected = [
      '4b45455053455453' + '01000000' + '59f64756' + '0700000000000000' + '0300000000000000',
      '09000000' + '01000000' + '0c000000' + 'c5e089f8',
      '03000000' + '5f0f9847' + '616263',
      '00000000' + '15c7d1da',
    ]
    expect((await readFile(path)).toString('hex')).toBe(expected.join(''))
  })

  it('is synced as it is written, so that the sync of a journal beside it never waits for much', async () => {
    const place = await recordPlace()
    const frames = 2 * SYNC_FRAMES + 1
    await write(place, [new Uint8Array(frames * MAX_FRAME_BYTES)])
    const calls = place.disk.calls.map(({ operation }) => operation)
    const four = [...Array(SYNC_FRAMES).fill('append'), 'sync']
    expect(calls.slice(calls.indexOf('append'))).toEqual([...four, ...four, 'append', 'append', 'sync', 'close'])
  })

  it('takes an image in pieces of any size, whose memory may be used again', async () => {
    const place = await recordPlace()
    const sizes = fc.array(
      fc.oneof(fc.nat(5), fc.integer({ min: 0, max: 3 * MAX_FRAME_BYTES }), fc.constant(MAX_FRAME_BYTES)),
      {
        maxLength: 4,
      },
    )
    await fc.assert(
      fc.asyncProperty(sizes, async (sizes) => {
        const whole = bytesOf(sizes.reduce((sum, size) => sum + size, 0))
        const scratch = new Uint8Array(Math.max(0, ...sizes))
        const pieces = async function* () {
          let at = 0
          for (const size of sizes) {
            scratch.set(whole.subarray(at, at + size))
            yield scratch.subarray(0, size)
            scratch.fill(0xee)
            at += size
          }
        }
        const { image, lengths } = await read(place, await write(place, pieces()))
        expect(Buffer.compare(image, whole)).toBe(0)
        // Every frame but the last is full.
        expect(lengths.slice(0, -1).every((length) => length === MAX_FRAME_BYTES)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('is synced before it is said to be written; one that is small takes one write', async () => {
    const place = await recordPlace()
    await write(place, [bytesOf(1), bytesOf(2), bytesOf(3)])
    expect(place.disk.calls.map(({ operation }) => operation)).toEqual(['createFile', 'append', 'sync', 'close'])
  })

  it('closes its file when it cannot be written, or read', async () => {
    const place = await recordPlace()
    place.disk.before = ({ operation }) => {
      if (operation === 'sync') throw systemError('ENOSPC')
    }
    await expect(write(place, [bytesOf(1)])).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(place.disk.count('close')).toBe(1)
    const broken = async function* () {
      yield bytesOf(1)
      throw new Error('the image broke')
    }
    await expect(write(place, broken())).rejects.toThrow('the image broke')
    expect(place.disk.count('close')).toBe(2)
  })
})

describe('a snapshot that is not what was written', () => {
  const IMAGE = bytesOf(60)

  it('is told at any byte, and wherever it is cut', async () => {
    const place = await recordPlace()
    const path = await write(place, [IMAGE])
    const whole = await readFile(path)
    for (let at = 0; at < whole.byteLength; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        await edit(path, () => {
          const bytes = Buffer.from(whole)
          bytes[at] = (bytes[at] as number) ^ flip
          return bytes
        })
        await expect(read(place, path)).rejects.toBeInstanceOf(Damage)
      }
      await edit(path, () => whole.subarray(0, at))
      await expect(read(place, path)).rejects.toBeInstanceOf(Damage)
    }
    await edit(path, () => Buffer.concat([whole, Buffer.of(0)]))
    await expect(read(place, path)).rejects.toThrow(`${path}, byte ${whole.byteLength}: 1 bytes follow the last frame`)
    await edit(path, () => whole)
    expect((await read(place, path)).image).toEqual(Buffer.from(IMAGE))
  })

  it('is told where frames change places, go, or come from another snapshot', async () => {
    const place = await recordPlace()
    const path = await write(place, [bytesOf(2 * MAX_FRAME_BYTES)])
    const other = await readFile(await write(place, [bytesOf(2 * MAX_FRAME_BYTES)], { ...HEADER, fence: 4 }))
    const whole = await readFile(path)
    const frame = 8 + MAX_FRAME_BYTES
    const [header, first, second, end] = [0, HEADER_BYTES, HEADER_BYTES + frame, HEADER_BYTES + 2 * frame].map(
      (start, i, starts) => whole.subarray(start, starts[i + 1]),
    ) as [Buffer, Buffer, Buffer, Buffer]
    for (const [what, pieces, offset] of [
      ['swapped', [header, second, first, end], HEADER_BYTES],
      ['missing', [header, second, end], HEADER_BYTES],
      ['cut off', [header, first, end], HEADER_BYTES + frame],
      ['doubled', [header, first, first, second, end], HEADER_BYTES + frame],
      ['of another', [header, other.subarray(HEADER_BYTES)], HEADER_BYTES],
    ] as const) {
      await edit(path, () => Buffer.concat(pieces))
      await expect(read(place, path), what).rejects.toThrow(
        `${path}, byte ${offset}: the checksum of the frame does not match`,
      )
    }
    await edit(path, () => Buffer.concat([header, first, second]))
    await expect(read(place, path)).rejects.toThrow(
      `byte ${HEADER_BYTES + 2 * frame}: the file ends before its last frame`,
    )
  })

  it('is told where it lies under the name of another', async () => {
    const place = await recordPlace()
    const path = await write(place, [IMAGE])
    for (const expected of [
      { ...HEADER, serial: 8 },
      { ...HEADER, epochStart: 1 },
      { ...HEADER, epochStart: undefined },
    ]) {
      const message = `${path}, byte 32: snapshot 9 of the start of epoch 12 lies under this name`
      await expect(read(place, path, expected)).rejects.toThrow(message)
    }
    const message = `${path}, byte 12: the file belongs to another run than "other"`
    await expect(read({ ...place, runId: 'other' }, path)).rejects.toThrow(message)
  })

  it('makes nobody read more than a frame, whatever length is said', async () => {
    const place = await recordPlace()
    const path = await write(place, [bytesOf(3 * MAX_FRAME_BYTES)])
    for (const length of [0xffff_ffff, 2 * MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1]) {
      await edit(path, (bytes) => {
        bytes.writeUInt32LE(length, HEADER_BYTES)
        return bytes
      })
      await expect(read(place, path)).rejects.toThrow(`byte 48: a frame of ${length} bytes does not fit`)
    }
  })
})
