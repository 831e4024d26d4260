import { Metadata, Server, ServerCredentials, type StatusObject, status } from '@grpc/grpc-js'
import {
  Any,
  ErrorInfo,
  RetryInfo,
  type RunServiceServer,
  RunServiceService,
  type SamplerServiceServer,
  SamplerServiceService,
  Status,
} from '@keepset/proto'

/** A gRPC server on a free local port that answers as the test says: real transport, no sampler behind it. */
export interface ScriptedSampler {
  readonly address: string
  stop(): void
}

export type Script = Partial<SamplerServiceServer & RunServiceServer>

export async function startScriptedSampler(script: Script): Promise<ScriptedSampler> {
  const server = new Server()
  server.addService(SamplerServiceService, script as SamplerServiceServer)
  server.addService(RunServiceService, script as RunServiceServer)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() }
}

/** A status as a sampler gives it: with google.rpc details in its trailer. */
export function statusOf(
  code: status,
  details: string,
  messages: { typeUrl: string; value: Uint8Array }[] = [],
): StatusObject {
  const metadata = new Metadata()
  const bytes = Status.encode({
    code,
    message: details,
    details: messages.map(({ typeUrl, value }) => Any.create({ typeUrl, value: Buffer.from(value) })),
  }).finish()
  metadata.set('grpc-status-details-bin', Buffer.from(bytes))
  return { code, details, metadata }
}

/** The sampler's ErrorInfo, as a detail of {@link statusOf}. */
export function errorInfo(reason: string, domain = 'keepset.dev') {
  return {
    typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo',
    value: ErrorInfo.encode({ reason, domain, metadata: {} }).finish(),
  }
}

/** The sampler's RetryInfo, as a detail of {@link statusOf}. */
export function retryInfo(delayMs: number) {
  const retryDelay = { seconds: BigInt(Math.floor(delayMs / 1000)), nanos: (delayMs % 1000) * 1e6 }
  return { typeUrl: 'type.googleapis.com/google.rpc.RetryInfo', value: RetryInfo.encode({ retryDelay }).finish() }
}

/** What ends a stream of a scripted server so that the client takes its connection for broken. */
export const drain: StatusObject = statusOf(status.UNAVAILABLE, 'draining')
