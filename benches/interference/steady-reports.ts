import type { SamplerStubs } from '../../test/support/test-sampler.js'
import { type Channel, samplerChannel } from '../support/channel.js'
import { lossesOf } from '../support/losses.js'
import { encodeReport, planIndices } from '../support/wire.js'

const BATCH_SIZE = 256
/** Reports that a round may have: more than half a minute of them. */
const REPORTS = 8192

/** The one rank of a run, an epoch a round. */
export class SteadyReports {
  readonly #stubs: SamplerStubs
  readonly #channel: Channel
  readonly #runId: string
  #epoch = -1
  #sequence = 0
  #indices: Uint32Array = new Uint32Array()
  #losses: Float32Array = new Float32Array()

  private constructor(stubs: SamplerStubs, runId: string) {
    this.#stubs = stubs
    this.#runId = runId
    this.#channel = samplerChannel(stubs.address)
  }

  static async open(stubs: SamplerStubs, runId: string, seed: number): Promise<SteadyReports> {
    const policy = { $case: 'full' as const, value: {} }
    await stubs.createRun(runId, { sampleCount: REPORTS * BATCH_SIZE, seed: BigInt(seed), policy })
    const reports = new SteadyReports(stubs, runId)
    await reports.#channel.connected()
    return reports
  }

  async beginRound(): Promise<void> {
    this.#indices = await planIndices(this.#stubs, { runId: this.#runId, epoch: ++this.#epoch })
    this.#losses = lossesOf(BATCH_SIZE, this.#epoch)
    this.#sequence = 0
  }

  /** Milliseconds from `due` to the acknowledgement of the next report. */
  async send(due: number): Promise<number> {
    const start = this.#sequence++ * BATCH_SIZE
    const indices = this.#indices.subarray(start, start + BATCH_SIZE)
    if (indices.length === 0) throw new Error('the round has no more reports')
    const place = { runId: this.#runId, epoch: this.#epoch, rank: 0 }
    await this.#channel.send(encodeReport(place, this.#sequence, indices, this.#losses))
    return performance.now() - due
  }

  close(): Promise<void> {
    return this.#channel.close()
  }
}
