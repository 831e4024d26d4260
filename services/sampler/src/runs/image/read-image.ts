import { countBits, KeptSet } from '../../core/selection/kept-set.js'
import type { SampleStatistics } from '../../core/statistics/sample-statistics.js'
import { emptyStatistics, Run } from '../run.js'
import type { ByteReader } from './byte-reader.js'
import { ImageError } from './image-error.js'
import { BLOCK_SAMPLES, bytesOf, COLUMNS, IMAGE_MAGIC, IMAGE_VERSION, MAX_HEADER_BYTES } from './image-format.js'
import { decodeHeader, type ImageHeader } from './image-header.js'

/** Reads the start of an image. Throws an ImageError. */
export async function readImageHeader(reader: ByteReader): Promise<ImageHeader> {
  const magic = Buffer.from(await reader.read(IMAGE_MAGIC.length)).toString('latin1')
  if (magic !== IMAGE_MAGIC) throw new ImageError('it is no image of a run')
  const version = await reader.readU32()
  if (version !== IMAGE_VERSION) {
    const who = version > IMAGE_VERSION ? 'a newer version of Keepset' : 'no version of Keepset'
    throw new ImageError(`it has format version ${version}, which ${who} writes; this one reads ${IMAGE_VERSION}`)
  }
  const length = await reader.readU32()
  if (length > MAX_HEADER_BYTES) throw new ImageError(`its header has ${length} bytes`)
  return decodeHeader(Buffer.from(await reader.read(length)).toString())
}

/** Reads what follows the header, as a run. `changed` replaces parts of the header: a rewind changes the generation, an import the name. Throws an ImageError. */
export async function readImageBody(
  reader: ByteReader,
  header: ImageHeader,
  changed: (header: ImageHeader) => ImageHeader = (same) => same,
): Promise<Run> {
  const { spec, ranks, previousRanks, keptCount } = header
  const { sampleCount } = spec
  const sequences = new Uint32Array((await reader.read(ranks * 4)).buffer)
  const previousSequences = new Uint32Array((await reader.read(previousRanks * 4)).buffer)
  const bits = await reader.read(keptCount === 0 ? 0 : Math.ceil(sampleCount / 8))
  const keptSet = asSet(bits, keptCount, sampleCount, await readWeights(reader, header))
  const statistics = emptyStatistics(spec)
  statistics.resumeEpoch(await reader.read(Math.ceil(sampleCount / 8)))
  for (let start = 0; start < sampleCount; start += BLOCK_SAMPLES) await readBlock(reader, statistics, start)
  statistics.resumeSelections(greatestOf(statistics.timesKept))
  const { runId, createTime, state } = changed(header)
  const created = { runId, spec, time: createTime }
  return new Run(created, { state, sequences, previousSequences, keptSet, statistics })
}

async function readBlock(reader: ByteReader, statistics: SampleStatistics, start: number): Promise<void> {
  const [flag] = await reader.read(1)
  if (flag === 0) return
  if (flag !== 1) throw new ImageError(`byte ${reader.position - 1}: a block begins with ${flag}`)
  for (const values of [...COLUMNS.map((name) => statistics[name]), ...statistics.metrics]) {
    const column = bytesOf(values.subarray(start, start + BLOCK_SAMPLES))
    column.set(await reader.read(column.length))
  }
  for (const name of ['mean', 'variance', 'lastLoss'] as const) {
    if (statistics[name].subarray(start, start + BLOCK_SAMPLES).every(Number.isFinite)) continue
    throw new ImageError(`byte ${reader.position}: the ${name} of a sample from ${start} on is not finite`)
  }
  for (const values of statistics.metrics) {
    if (values.subarray(start, start + BLOCK_SAMPLES).every((value) => Math.abs(value) !== Infinity)) continue
    throw new ImageError(`byte ${reader.position}: a metric of a sample from ${start} on is infinite`)
  }
}

function greatestOf(values: Uint16Array): number {
  let greatest = 0
  for (const value of values) if (value > greatest) greatest = value
  return greatest
}

/** The weights of the kept set, where the run has any and a selection was held. */
async function readWeights(reader: ByteReader, { spec, keptCount }: ImageHeader): Promise<Float32Array | undefined> {
  if (spec.weights === 'off' || keptCount === 0) return undefined
  const weights = new Float32Array((await reader.read(4 * keptCount)).buffer)
  const { weightCap = Number.MAX_VALUE } = spec
  if (weights.every((weight) => weight > 0 && weight <= Math.fround(weightCap))) return weights
  throw new ImageError(`byte ${reader.position}: a weight is not above 0, finite and at most the cap`)
}

function asSet(bits: Uint8Array, count: number, sampleCount: number, weights: Float32Array | undefined): KeptSet {
  const found = countBits(bits)
  if (found !== count) throw new ImageError(`its kept set has ${found} samples instead of ${count}`)
  const after = bits.length * 8 - sampleCount
  if (after > 0 && (bits.at(-1) as number) >>> (8 - after) !== 0) {
    throw new ImageError(`its kept set has samples past the last one, ${sampleCount - 1}`)
  }
  return new KeptSet(bits, count, weights)
}
