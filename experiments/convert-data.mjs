/**
 * Writes CIFAR data that lies compressed, as a prediction residual under Brotli, in the plain binary format: node experiments/convert-data.mjs FROM TO
 * FROM has the folders cifar10 and cifar100, each with train_1.bin.br to train_5.bin.br and test.bin.br.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { brotliDecompressSync } from 'node:zlib'

const SIDE = 32
const PLANE = SIDE * SIDE
const PARTS = [1, 2, 3, 4, 5]

/** Takes back the median edge prediction of each plane from `start` on, in place. */
function undoPrediction(bytes, start) {
  for (let plane = start; plane < bytes.length; plane += PLANE) {
    for (let i = 0; i < PLANE; i++) bytes[plane + i] += predict(bytes, plane, i)
  }
}

/** What a pixel is predicted from: the left, the upper, and the one between them. */
function predict(bytes, plane, i) {
  const [row, column, at] = [Math.floor(i / SIDE), i % SIDE, plane + i]
  if (row === 0 && column === 0) return 128
  if (row === 0) return bytes[at - 1]
  if (column === 0) return bytes[at - SIDE]
  const [left, upper, corner] = [bytes[at - 1], bytes[at - SIDE], bytes[at - SIDE - 1]]
  if (corner >= Math.max(left, upper)) return Math.min(left, upper)
  if (corner <= Math.min(left, upper)) return Math.max(left, upper)
  return left + upper - corner
}

/** Records of the label bytes, then the red, the green and the blue plane. */
function decode(path, labelBytes) {
  const bytes = new Uint8Array(brotliDecompressSync(readFileSync(path)))
  const recordBytes = labelBytes + 3 * PLANE
  const count = bytes.length / recordBytes
  const planes = count * labelBytes
  undoPrediction(bytes, planes)
  const records = new Uint8Array(bytes.length)
  for (let image = 0; image < count; image++) {
    const record = image * recordBytes
    records.set(bytes.subarray(image * labelBytes, (image + 1) * labelBytes), record)
    const green = planes + image * PLANE
    const [red, blue] = [green + count * PLANE, green + 2 * count * PLANE]
    for (let i = 0, to = record + labelBytes; i < PLANE; i++, to++) {
      records[to] = bytes[red + i] + bytes[green + i] - 128
      records[to + PLANE] = bytes[green + i]
      records[to + 2 * PLANE] = bytes[blue + i] + bytes[green + i] - 128
    }
  }
  return records
}

function convert(from, folder, labelBytes, files) {
  mkdirSync(folder, { recursive: true })
  for (const [target, sources] of Object.entries(files)) {
    const parts = sources.map((source) => decode(join(from, `${source}.bin.br`), labelBytes))
    writeFileSync(join(folder, target), Buffer.concat(parts))
    console.log(join(folder, target))
  }
}

const [from, to] = process.argv.slice(2)
if (to === undefined) {
  console.error('node experiments/convert-data.mjs FROM TO')
  process.exit(2)
}
const cifar10 = Object.fromEntries(PARTS.map((part) => [`data_batch_${part}.bin`, [`train_${part}`]]))
convert(join(from, 'cifar10'), join(to, 'cifar-10-batches-bin'), 1, { ...cifar10, 'test_batch.bin': ['test'] })
const cifar100 = { 'train.bin': PARTS.map((part) => `train_${part}`), 'test.bin': ['test'] }
convert(join(from, 'cifar100'), join(to, 'cifar-100-binary'), 2, cifar100)
