import { createHash } from 'node:crypto'
import { isSameSpec } from '../check-same-spec.js'
import { ByteReader } from '../image/byte-reader.js'
import { ImageError } from '../image/image-error.js'
import type { ImageHeader } from '../image/image-header.js'
import { readImageBody, readImageHeader } from '../image/read-image.js'
import { imageOf } from '../image/write-image.js'
import type { ByteStream, Snapshot } from '../ports.js'
import type { Run } from '../run.js'
import { isRunId } from '../run-id.js'
import type { RunSpec } from '../run-spec.js'
import {
  DIGEST_BYTES,
  EXPORT_MAGIC,
  EXPORT_VERSION,
  type ExportHeader,
  MAX_EXPORT_HEADER_BYTES,
} from './export-format.js'

/** Far above what a sampler is set to keep. */
const MAX_EPOCH_STARTS = 1000

/** Reads an export, from its start to its end: `open`, then `snapshots` to the end, then `run`. Every problem is an ImageError. */
export class ExportReader {
  readonly #export: ExportHeader
  readonly #image: ImageHeader
  readonly #reader: ByteReader
  readonly #digest: () => Buffer
  #run: Run | undefined

  private constructor(header: ExportHeader, image: ImageHeader, reader: ByteReader, digest: () => Buffer) {
    this.#export = header
    this.#image = image
    this.#reader = reader
    this.#digest = digest
  }

  /** Reads what comes before the arrays of the run. */
  static async open(source: ByteStream): Promise<ExportReader> {
    const hash = createHash('sha256')
    const reader = new ByteReader(source, (bytes) => hash.update(bytes))
    const magic = Buffer.from(await reader.read(EXPORT_MAGIC.length)).toString('latin1')
    if (magic !== EXPORT_MAGIC) throw new ImageError('it is no export of a run')
    const version = await reader.readU32()
    if (version !== EXPORT_VERSION) {
      throw new ImageError(`it has format version ${version}; this sampler reads version ${EXPORT_VERSION}`)
    }
    const length = await reader.readU32()
    if (length > MAX_EXPORT_HEADER_BYTES) throw new ImageError(`its header has ${length} bytes`)
    const header = decodeHeader(Buffer.from(await reader.read(length)).toString())
    return new ExportReader(header, await readImageHeader(reader), reader, () => hash.copy().digest())
  }

  /** The name that the run had where it was exported. */
  get runId(): string {
    return this.#export.runId
  }

  get spec(): RunSpec {
    return this.#image.spec
  }

  /**
   * The snapshots that the record of the run begins with, under the name `runId`, the run's own last. A finished one is as if finished at
   * `time`: how long it is kept here counts from then. The last comes only after the checksum was found right, so that nothing is made of a damaged export.
   */
  async *snapshots(runId: string, time: number): AsyncGenerator<Snapshot, void, void> {
    const rename = (header: ImageHeader) => ({ ...header, runId })
    const run = await readImageBody(this.#reader, this.#image, (header) => ({
      ...rename(header),
      state: header.state.isFinished ? { ...header.state, updateTime: time } : header.state,
    }))
    for (const epochStart of this.#export.epochStarts) {
      const header = await readImageHeader(this.#reader)
      if (header.state.progress.epochsPlanned !== epochStart || !isSameSpec(header.spec, this.spec)) {
        throw new ImageError(
          `byte ${this.#reader.position}: it should hold the start of epoch ${epochStart} of the same run`,
        )
      }
      yield { image: imageOf(await readImageBody(this.#reader, header, rename)), epochStart }
    }
    const expected = this.#digest()
    const found = Buffer.from(await this.#reader.read(DIGEST_BYTES))
    if (!expected.equals(found)) throw new ImageError('its checksum does not fit: it was damaged on its way')
    await this.#reader.expectEnd()
    this.#run = run
    yield { image: imageOf(run) }
  }

  /** The run, once `snapshots` has come to its end. */
  get run(): Run {
    if (!this.#run) throw new Error('the export has not been read to its end')
    return this.#run
  }
}

function decodeHeader(text: string): ExportHeader {
  try {
    const { runId, epochStarts } = JSON.parse(text) as ExportHeader
    const isRising = epochStarts.every(
      (epoch, i) => Number.isSafeInteger(epoch) && epoch > (epochStarts[i - 1] ?? -1) && epoch <= 0xffffffff,
    )
    if (isRunId(runId) && isRising && epochStarts.length <= MAX_EPOCH_STARTS) return { runId, epochStarts }
  } catch {
    // Told of below.
  }
  throw new ImageError('its header is not as a sampler writes it')
}
