import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompressSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'

const program = fileURLToPath(new URL('../../experiments/convert-data.mjs', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keepset-convert-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Records of `labelBytes` labels and three planes of 32 x 32, with smooth and rough pixels. */
function records(count: number, labelBytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: count * (labelBytes + 3072) }, (_, i) => (i * i * seed + (i >> 5) * 3) & 0xff)
}

const at = (plane: ArrayLike<number>, row: number, column: number) => plane[32 * row + column] as number

function predicted(plane: ArrayLike<number>, row: number, column: number): number {
  if (row === 0 && column === 0) return 128
  if (row === 0) return at(plane, row, column - 1)
  if (column === 0) return at(plane, row - 1, column)
  const [left, upper, corner] = [at(plane, row, column - 1), at(plane, row - 1, column), at(plane, row - 1, column - 1)]
  return [left, upper, left + upper - corner].toSorted((a, b) => a - b)[1] as number
}

/** All labels, then of all images the green planes, red - green + 128, and blue - green + 128, as differences from what is predicted. */
function compress(plain: Uint8Array, labelBytes: number): Buffer {
  const images = Array.from({ length: plain.length / (labelBytes + 3072) }, (_, i) =>
    plain.subarray(i * (labelBytes + 3072), (i + 1) * (labelBytes + 3072)),
  )
  const plane = (image: Uint8Array, channel: number) =>
    image.subarray(labelBytes + 1024 * channel, labelBytes + 1024 * (channel + 1))
  const residual = (values: ArrayLike<number>) =>
    Uint8Array.from(values, (value, i) => value - predicted(values, i >> 5, i & 31))
  const toGreen = (image: Uint8Array, channel: number) =>
    plane(image, channel).map((value, i) => value - (plane(image, 1)[i] as number) + 128)
  return brotliCompressSync(
    Buffer.concat([
      ...images.map((image) => image.subarray(0, labelBytes)),
      ...images.map((image) => residual(plane(image, 1))),
      ...images.map((image) => residual(toGreen(image, 0))),
      ...images.map((image) => residual(toGreen(image, 2))),
    ]),
  )
}

it('writes the plain binary version of what was compressed', async () => {
  const names = ['train_1', 'train_2', 'train_3', 'train_4', 'train_5', 'test']
  const plain: Record<string, Uint8Array[]> = {}
  for (const [name, labelBytes] of [
    ['cifar10', 1],
    ['cifar100', 2],
  ] as const) {
    await mkdir(join(folder, 'from', name), { recursive: true })
    plain[name] = names.map((_, i) => records(3, labelBytes, 2 * i + 1))
    for (const [i, file] of names.entries()) {
      await writeFile(join(folder, 'from', name, `${file}.bin.br`), compress(plain[name][i] as Uint8Array, labelBytes))
    }
  }
  await promisify(execFile)(process.execPath, [program, join(folder, 'from'), join(folder, 'to')])
  const read = (...path: string[]) => readFile(join(folder, 'to', ...path))
  for (let part = 1; part <= 5; part++) {
    const bytes = await read('cifar-10-batches-bin', `data_batch_${part}.bin`)
    expect(bytes.equals(plain.cifar10?.[part - 1] as Uint8Array)).toBe(true)
  }
  expect((await read('cifar-10-batches-bin', 'test_batch.bin')).equals(plain.cifar10?.[5] as Uint8Array)).toBe(true)
  const [test, ...train] = [plain.cifar100?.[5] as Uint8Array, ...(plain.cifar100?.slice(0, 5) ?? [])]
  expect((await read('cifar-100-binary', 'train.bin')).equals(Buffer.concat(train))).toBe(true)
  expect((await read('cifar-100-binary', 'test.bin')).equals(test)).toBe(true)
})
