import { ok, strictEqual } from 'node:assert/strict'
import type { LossReportAck, StreamReportsResponse } from '@keepset/proto'
import { lossReport, type SamplerStubs } from '../support/test-sampler.js'
import { isConnectionTrouble } from './connection-trouble.js'
import type { KillableSampler } from './killable-sampler.js'
import { lossOf } from './loss-of.js'
import { type Trainer, withClient } from './trainers.js'
import type { Training, Witness } from './training.js'

/** Reports on their way at once. */
const WINDOW = 16

/**
 * A trainer of one rank that speaks to the sampler itself and keeps a record of its own of what was acknowledged, each the moment it arrives.
 * After each kill it holds that record against what the sampler has.
 */
class AcknowledgedRun {
  readonly #sampler: KillableSampler
  readonly #training: Training
  readonly #witness: Witness
  /** Reports of the epochs before this one, all acknowledged. */
  #reportsBefore = 0
  /** Sequences of this epoch: the last one sent, acknowledged, and held by the sampler when it was last asked. */
  #sent = 0
  #acked = 0
  #held = 0

  constructor(sampler: KillableSampler, training: Training, witness: Witness) {
    strictEqual(training.worldSize, 1)
    this.#sampler = sampler
    this.#training = training
    this.#witness = witness
  }

  async train(): Promise<void> {
    const { settings } = this.#training
    await withClient(this.#sampler.address, this.#witness.signal, async (client) => {
      await client.createRun(settings)
    })
    for (let epoch = 0; epoch < settings.epochs; epoch++) {
      while (!(await this.#tryEpoch(epoch))) await this.#sampler.running()
      this.#reportsBefore += this.#sent
      this.#sent = 0
      this.#acked = 0
    }
  }

  /** Goes on with an epoch until it is through or the sampler dies. */
  async #tryEpoch(epoch: number): Promise<boolean> {
    const { stubs } = this.#sampler
    try {
      await this.#checkRecord(stubs)
      const batches = await this.#plan(stubs, epoch)
      await this.#report(stubs, epoch, batches)
      return true
    } catch (error) {
      if (isConnectionTrouble(error)) return false
      throw error
    }
  }

  /** What was acknowledged is there; nothing is there that was not sent. */
  async #checkRecord(stubs: SamplerStubs): Promise<void> {
    const { progress } = await stubs.getRun(this.#training.settings.runId)
    this.#held = Number(progress?.reports) - this.#reportsBefore
    ok(this.#held >= this.#acked, `${this.#acked - this.#held} acknowledged reports were lost`)
    ok(this.#held <= this.#sent, `${this.#held - this.#sent} reports are there that nobody sent`)
  }

  async #plan(stubs: SamplerStubs, epoch: number): Promise<number[][]> {
    const { batchSize, settings } = this.#training
    const { runId } = settings
    const { header, indices } = await stubs.plan({ runId, epoch, rank: 0, worldSize: 1, generation: 1 })
    this.#witness.notes.noteDigest({ epoch, rank: 0 }, header.digest.toString('hex'))
    return Array.from({ length: Math.ceil(indices.length / batchSize) }, (_, batch) =>
      indices.slice(batch * batchSize, (batch + 1) * batchSize),
    )
  }

  /** Sends what is not acknowledged, {@link WINDOW} at a time. */
  #report(stubs: SamplerStubs, epoch: number, batches: readonly (readonly number[])[]): Promise<void> {
    const { runId } = this.#training.settings
    const call = stubs.plans.streamReports()
    let next = this.#acked
    const send = () => {
      for (; next < batches.length && next < this.#acked + WINDOW; next++) {
        const indices = batches[next] as number[]
        const losses = indices.map((index) => lossOf(index, epoch))
        const sequence = next + 1
        this.#sent = Math.max(this.#sent, sequence)
        call.write({ report: lossReport({ runId, epoch, sequence, generation: 1, indices, losses }) })
      }
      if (this.#acked === batches.length) call.end()
    }
    return new Promise((resolve, reject) => {
      call.on('error', reject)
      call.on('end', resolve)
      call.on('data', ({ acks }: StreamReportsResponse) => {
        try {
          for (const ack of acks) this.#note(ack)
          send()
        } catch (error) {
          reject(error)
        }
      })
      send()
    })
  }

  #note(ack: LossReportAck): void {
    strictEqual(ack.sequence, this.#acked + 1, 'acknowledgements come in the order of the reports')
    this.#acked++
    strictEqual(
      ack.duplicate,
      this.#acked <= this.#held,
      `report ${this.#acked} of epoch ${ack.epoch} was counted wrongly`,
    )
    this.#witness.tick()
  }
}

/** Trains as an {@link AcknowledgedRun}. */
export function acknowledging(sampler: KillableSampler): Trainer {
  return (_, training, witness) => new AcknowledgedRun(sampler, training, witness).train()
}
