import {
  credentials,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  Server,
  ServerCredentials,
  type ServiceError,
} from '@grpc/grpc-js'
import {
  type LossReport,
  type PlanEpochRequest,
  type PlanEpochResponse,
  RunServiceClient,
  type RunServiceServer,
  RunServiceService,
  SamplerServiceClient,
  SamplerServiceService,
  type StreamReportsRequest,
  type StreamReportsResponse,
} from '@keepset/proto'

/** A report as it came. */
export interface RecordedReport {
  readonly epoch: number
  readonly sequence: number
  readonly indices: readonly number[]
  readonly losses: Float32Array
}

/**
 * A gRPC server on a free local port that hands every call of a trainer on to a real sampler, and its answers back.
 * It writes down what went by, and can hold back acknowledgements.
 */
export interface RecordingSampler {
  readonly address: string
  /** Indices of each epoch's plan, in training order. */
  readonly plans: ReadonlyMap<number, readonly number[]>
  /** Weights of each epoch's plan, in the same order; none where the plan has none. */
  readonly weights: ReadonlyMap<number, readonly number[]>
  /** Indices of what each epoch was to score, in order. */
  readonly scorings: ReadonlyMap<number, readonly number[]>
  readonly reports: readonly RecordedReport[]
  /** Acknowledgements that the trainer has been given. */
  readonly acknowledgedCount: number
  /** Resolves once `count` reports have come. */
  received(count: number): Promise<void>
  /** Keeps acknowledgements back, from the next one on. */
  holdAcknowledgements(): void
  /** Gives out what was held back, and all that follow at once. */
  releaseAcknowledgements(): void
  stop(): void
}

/** Starts one in front of the sampler at `target`, for one run, to which it adds metrics, as a policy that needs them does. */
export async function startRecordingSampler(
  target: string,
  neededMetrics: readonly string[] = [],
): Promise<RecordingSampler> {
  const runs = new RunServiceClient(target, credentials.createInsecure())
  const sampler = new SamplerServiceClient(target, credentials.createInsecure())
  const plans = new Map<number, number[]>()
  const weights = new Map<number, number[]>()
  const scorings = new Map<number, number[]>()
  const reports: RecordedReport[] = []
  const held: (() => void)[] = []
  let holding = false
  let acknowledgedCount = 0
  let onReport = () => {}

  const planEpoch: handleServerStreamingCall<PlanEpochRequest, PlanEpochResponse> = (call) => {
    const { epoch, scoreOnly } = call.request
    const upstream = sampler.planEpoch(call.request)
    const indices: number[] = []
    const ownWeights: number[] = []
    if (scoreOnly) scorings.set(epoch, indices)
    else {
      plans.set(epoch, indices)
      weights.set(epoch, ownWeights)
    }
    upstream.on('data', (response: PlanEpochResponse) => {
      if (response.part?.$case === 'chunk') {
        indices.push(...readU32(response.part.value.sampleIndices))
        ownWeights.push(...readF32(response.part.value.weights))
      }
      call.write(response)
    })
    upstream.on('end', () => call.end())
    upstream.on('error', (error) => call.emit('error', error))
    call.on('cancelled', () => upstream.cancel())
  }

  const streamReports: handleBidiStreamingCall<StreamReportsRequest, StreamReportsResponse> = (call) => {
    const upstream = sampler.streamReports()
    call.on('data', ({ report }: StreamReportsRequest) => {
      if (report) reports.push(readReport(report))
      upstream.write({ report })
      onReport()
    })
    call.on('end', () => upstream.end())
    call.on('cancelled', () => upstream.cancel())
    upstream.on('data', ({ acks }: StreamReportsResponse) => {
      for (const ack of acks) {
        const give = () => {
          acknowledgedCount++
          call.write({ acks: [ack] })
        }
        if (holding) held.push(give)
        else give()
      }
    })
    upstream.on('end', () => call.end())
    upstream.on('error', (error) => call.emit('error', error))
  }

  const runCalls: Partial<RunServiceServer> = {
    createRun: ({ request }, callback) => {
      request.spec?.metrics.push(...neededMetrics)
      runs.createRun(request, answer(callback))
    },
    getRun: ({ request }, callback) => runs.getRun(request, answer(callback)),
    rewindRun: ({ request }, callback) => runs.rewindRun(request, answer(callback)),
    finishRun: ({ request }, callback) => runs.finishRun(request, answer(callback)),
    streamSelections: (call) => {
      const upstream = runs.streamSelections(call.request)
      upstream.on('data', (response) => call.write(response))
      upstream.on('end', () => call.end())
      upstream.on('error', (error) => call.emit('error', error))
    },
  }

  const server = new Server()
  server.addService(SamplerServiceService, { planEpoch, streamReports } as never)
  server.addService(RunServiceService, runCalls as never)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return {
    address: `127.0.0.1:${port}`,
    plans,
    weights,
    scorings,
    reports,
    get acknowledgedCount() {
      return acknowledgedCount
    },
    received: (count) =>
      new Promise((resolve) => {
        onReport = () => {
          if (reports.length >= count) resolve()
        }
        onReport()
      }),
    holdAcknowledgements: () => {
      holding = true
    },
    releaseAcknowledgements: () => {
      holding = false
      for (const give of held.splice(0)) give()
    },
    stop: () => {
      server.forceShutdown()
      runs.close()
      sampler.close()
    },
  }
}

/** Passes an answer on; types of the two sides differ only in what may be absent. */
function answer<T>(callback: (error: ServiceError | null, value?: T) => void) {
  return (error: ServiceError | null, value: T) => (error ? callback(error) : callback(null, value))
}

function readReport({ epoch, sequence, sampleIndices, losses }: LossReport): RecordedReport {
  return { epoch, sequence, indices: readU32(sampleIndices), losses: readF32(losses) }
}

/** Packed little-endian u32, of any alignment. */
function readU32(bytes: Uint8Array): number[] {
  return [...new Uint32Array(new Uint8Array(bytes).buffer)]
}

/** Packed little-endian f32, of any alignment. */
function readF32(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer)
}
