import { SamplerProcess } from '../../test/support/sampler-process.js'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import { type Channel, samplerChannel } from '../support/channel.js'
import { snapshotsWritten } from '../support/data-dir.js'
import { lossesOf } from '../support/losses.js'
import type { Measurement } from '../support/measurement.js'
import { encodeReport, planIndices } from '../support/wire.js'
import { measure, type Way } from './measurement.js'
import { type Reporters, type Shape, sampleCountOf, WORLD_SIZE } from './shape.js'

const RUN_ID = 'bench'

/** StreamReports of a sampler process, over loopback; each reporter has a connection of its own. */
export class GrpcReports implements Way {
  readonly #process: SamplerProcess
  readonly #stubs: SamplerStubs
  readonly #dataDir: string
  readonly #shape: Shape
  #epoch = -1
  /** By rank: reports, ready to be sent. */
  #reports: Buffer[][] = []

  private constructor(process: SamplerProcess, address: string, dataDir: string, shape: Shape) {
    this.#process = process
    this.#stubs = new SamplerStubs(address)
    this.#dataDir = dataDir
    this.#shape = shape
  }

  static async open(dataDir: string, shape: Shape, seed: number): Promise<GrpcReports> {
    const process = SamplerProcess.serve(['--store', 'file', '--data-dir', dataDir])
    const { grpc } = await process.logged('listening')
    const reports = new GrpcReports(process, String(grpc), dataDir, shape)
    const policy = { $case: 'full' as const, value: {} }
    await reports.#stubs.createRun(RUN_ID, { sampleCount: sampleCountOf(shape), seed: BigInt(seed), policy })
    return reports
  }

  async beginRound(): Promise<void> {
    this.#epoch++
    const { batchSize } = this.#shape
    const epoch = this.#epoch
    const ranks = Array.from({ length: WORLD_SIZE }, (_, rank) => ({ runId: RUN_ID, epoch, rank }))
    const plans = ranks.map((rank) => planIndices(this.#stubs, { ...rank, worldSize: WORLD_SIZE }))
    const losses = lossesOf(batchSize, epoch)
    this.#reports = (await Promise.all(plans)).map((indices, rank) =>
      Array.from({ length: Math.floor(indices.length / batchSize) }, (_, i) =>
        encodeReport(
          { runId: RUN_ID, epoch, rank },
          i + 1,
          indices.subarray(i * batchSize, (i + 1) * batchSize),
          losses,
        ),
      ),
    )
    await snapshotsWritten(this.#dataDir)
  }

  async measure(reporters: Reporters): Promise<Measurement> {
    const connected = Array.from({ length: reporters }, () => samplerChannel(this.#stubs.address))
    try {
      await Promise.all(connected.map((channel) => channel.connected()))
      return await measure(reporters, this.#reports, (report, i) => (connected[i] as Channel).send(report))
    } finally {
      await Promise.all(connected.map((channel) => channel.close()))
    }
  }

  async close(): Promise<void> {
    this.#stubs.close()
    await this.#process.kill()
  }
}
