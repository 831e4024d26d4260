import { once } from 'node:events'
import { type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import { LossReport, SamplerServiceClient, type StreamReportsRequest, type StreamReportsResponse } from '@keepset/proto'
import { packIndices } from '../../test/support/calls.js'
import { SamplerProcess } from '../../test/support/sampler-process.js'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import { snapshotsWritten } from '../support/data-dir.js'
import { lossesOf } from '../support/losses.js'
import { type Measurement, measure, type Way } from './measurement.js'
import { type Reporters, type Shape, sampleCountOf, WORLD_SIZE } from './shape.js'

const RUN_ID = 'bench'

/** One reporter's connection and stream; one report is on its way at a time. */
class Reporter {
  readonly #client: SamplerServiceClient
  readonly #call: ClientDuplexStream<StreamReportsRequest, StreamReportsResponse>
  #onAck: () => void = () => undefined
  #onError: (error: Error) => void = () => undefined

  constructor(address: string) {
    this.#client = new SamplerServiceClient(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    })
    this.#call = this.#client.streamReports()
    this.#call.on('data', () => this.#onAck())
    this.#call.on('error', (error) => this.#onError(error))
  }

  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Number.POSITIVE_INFINITY, (error) => (error ? reject(error) : resolve()))
    })
  }

  report(report: LossReport): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onAck = resolve
      this.#onError = reject
      this.#call.write({ report })
    })
  }

  async close(): Promise<void> {
    this.#call.end()
    await once(this.#call, 'end')
    this.#client.close()
  }
}

/** StreamReports of a sampler process, over loopback; each reporter has a connection of its own. */
export class GrpcReports implements Way {
  readonly #process: SamplerProcess
  readonly #stubs: SamplerStubs
  readonly #dataDir: string
  readonly #shape: Shape
  #epoch = -1
  /** By rank: reports, ready to be sent. */
  #reports: LossReport[][] = []

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
    const plans = await this.#stubs.planAll(WORLD_SIZE, { runId: RUN_ID, epoch: this.#epoch })
    const losses = Buffer.from(lossesOf(batchSize, this.#epoch).buffer)
    this.#reports = plans.map(({ indices }, rank) =>
      Array.from({ length: Math.floor(indices.length / batchSize) }, (_, batch) =>
        LossReport.fromPartial({
          runId: RUN_ID,
          epoch: this.#epoch,
          rank,
          sequence: batch + 1,
          generation: 1,
          sampleIndices: packIndices(indices.slice(batch * batchSize, (batch + 1) * batchSize)),
          losses,
        }),
      ),
    )
    await snapshotsWritten(this.#dataDir)
  }

  async measure(reporters: Reporters): Promise<Measurement> {
    const connected = Array.from({ length: reporters }, () => new Reporter(this.#stubs.address))
    try {
      await Promise.all(connected.map((reporter) => reporter.connected()))
      return await measure(reporters, this.#reports, (report, i) => (connected[i] as Reporter).report(report))
    } finally {
      await Promise.all(connected.map((reporter) => reporter.close()))
    }
  }

  async close(): Promise<void> {
    this.#stubs.close()
    await this.#process.kill()
  }
}
