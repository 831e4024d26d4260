import { type ClientReadableStream, credentials, type Metadata } from '@grpc/grpc-js'
import {
  LossReport,
  type LossReportAck,
  PlanEpochRequest,
  type PlanEpochResponse,
  type Run,
  RunServiceClient,
  RunServiceService,
  RunSpec,
  SamplerServiceClient,
  SamplerServiceService,
} from '@keepset/proto'
import { type Config, type Sampler, startSampler } from '@keepset/sampler'
import { type Logger, pino } from 'pino'
import { ask, collectPlan, packIndices, packLosses, type ReceivedPlan } from './calls.js'
import { ReportStream } from './report-stream.js'

type PartialSpec = Parameters<typeof RunSpec.fromPartial>[0]
type PartialPlanRequest = Parameters<typeof PlanEpochRequest.fromPartial>[0]

/** A report with its arrays as numbers. Losses that are not given are 1. */
export interface PlainReport {
  readonly runId: string
  readonly epoch?: number
  readonly rank?: number
  readonly sequence: number
  /** 0, the default, is not checked. */
  readonly generation?: number
  readonly indices: readonly number[]
  readonly losses?: readonly number[]
  readonly metrics?: Readonly<Record<string, readonly number[]>>
}

export function lossReport({ indices, losses = indices.map(() => 1), metrics = {}, ...rest }: PlainReport): LossReport {
  return LossReport.fromPartial({
    ...rest,
    sampleIndices: packIndices(indices),
    losses: packLosses(losses),
    metrics: Object.entries(metrics).map(([name, values]) => ({ name, values: packLosses(values) })),
  })
}

/** The stubs for a sampler's address, with the calls that tests make most. */
export class SamplerStubs {
  readonly address: string
  readonly runs: RunServiceClient
  readonly plans: SamplerServiceClient

  constructor(address: string) {
    this.address = address
    // One connection of its own, so that the sampler gets calls in the order in which they were made.
    this.runs = new RunServiceClient(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
    const channelOverride = this.runs.getChannel()
    this.plans = new SamplerServiceClient(address, credentials.createInsecure(), { channelOverride })
  }

  /** Creates a run; a policy that is not given is `random`. */
  async createRun(runId: string, spec: PartialSpec): Promise<Run> {
    const full = RunSpec.fromPartial({ policy: { $case: 'random', value: {} }, ...spec })
    const { run } = await ask(this.runs, RunServiceService.createRun, { runId, spec: full })
    return run as Run
  }

  async getRun(runId: string): Promise<Run> {
    return (await ask(this.runs, RunServiceService.getRun, { runId })).run as Run
  }

  async finishRun(runId: string): Promise<Run> {
    return (await ask(this.runs, RunServiceService.finishRun, { runId, generation: 0 })).run as Run
  }

  async deleteRun(runId: string): Promise<void> {
    await ask(this.runs, RunServiceService.deleteRun, { runId })
  }

  /** All that the sampler tells of its runs (at most 1000), as the bytes that came, in hex. */
  async dump(): Promise<string> {
    const method = { ...RunServiceService.listRuns, responseDeserialize: (bytes: Buffer) => bytes.toString('hex') }
    return ask(this.runs, method, { pageSize: 1000, pageToken: '' })
  }

  openPlan(request: PartialPlanRequest, metadata?: Metadata): ClientReadableStream<PlanEpochResponse> {
    return this.plans.planEpoch(PlanEpochRequest.fromPartial(request), metadata)
  }

  plan(request: PartialPlanRequest, metadata?: Metadata): Promise<ReceivedPlan> {
    return collectPlan(this.openPlan(request, metadata))
  }

  /** The plans of all ranks, asked for at once. */
  planAll(worldSize: number, request: PartialPlanRequest): Promise<ReceivedPlan[]> {
    return Promise.all(Array.from({ length: worldSize }, (_, rank) => this.plan({ ...request, rank, worldSize })))
  }

  report(report: PlainReport): Promise<LossReportAck> {
    return this.reportRaw(lossReport(report))
  }

  async reportRaw(report: LossReport | undefined): Promise<LossReportAck> {
    return (await ask(this.plans, SamplerServiceService.reportLosses, { report })).ack as LossReportAck
  }

  openReports(): ReportStream {
    return new ReportStream(this.plans.streamReports())
  }

  close(): void {
    this.runs.close()
  }
}

/** A sampler in this process on free ports, with the memory store and a silent log unless others are given. */
export class TestSampler extends SamplerStubs {
  readonly sampler: Sampler

  private constructor(sampler: Sampler) {
    super(sampler.addresses.grpc)
    this.sampler = sampler
  }

  /** Without a grace period unless given one: a call that leaks then makes `stop` hang, and the test fail. */
  static async start(config: Partial<Config> = {}, logger: Logger = pino({ level: 'silent' })): Promise<TestSampler> {
    return new TestSampler(await startSampler({ drainSeconds: 3600, store: 'memory', ...config }, logger))
  }

  async stop(): Promise<void> {
    this.close()
    await this.sampler.stop()
  }
}
