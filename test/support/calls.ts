import { type Client, type ClientReadableStream, Metadata } from '@grpc/grpc-js'
import type { PlanChunk, PlanEpochResponse, PlanHeader } from '@keepset/proto'

interface UnaryMethod<Request, Response> {
  readonly path: string
  requestSerialize(request: Request): Buffer
  responseDeserialize(bytes: Buffer): Response
}

/** A unary call as a promise. */
export function ask<Request, Response>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: UnaryMethod<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) =>
      error ? reject(error) : resolve(response as Response),
    )
  })
}

/**
 * A deadline that only the server knows of. It must answer by then; no timer of the client races with that answer,
 * so a slow machine cannot change what a test sees.
 */
export function serverDeadline(milliseconds: number): Metadata {
  const metadata = new Metadata()
  metadata.set('grpc-timeout', `${milliseconds}m`)
  return metadata
}

/** Everything that a stream brings. Rejects with its status if that is not OK. */
export function collect<T>(stream: ClientReadableStream<T>): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const messages: T[] = []
    stream.on('data', (message: T) => messages.push(message))
    stream.on('error', reject)
    stream.on('end', () => resolve(messages))
  })
}

/** The answer to PlanEpoch, put together. */
export interface ReceivedPlan {
  readonly header: PlanHeader
  readonly chunks: readonly PlanChunk[]
  /** The indices of all chunks. */
  readonly indices: readonly number[]
}

/** Packs to little-endian u32. */
export function packIndices(indices: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(indices).buffer)
}

/** Packs to little-endian f32. */
export function packLosses(losses: readonly number[]): Buffer {
  return Buffer.from(Float32Array.from(losses).buffer)
}

/** Reads packed little-endian u32. */
function unpackIndices(bytes: Uint8Array): number[] {
  return [...new Uint32Array(new Uint8Array(bytes).buffer)]
}

/** Reads a plan stream to its end; throws if its first message is not the only header. */
export async function collectPlan(stream: ClientReadableStream<PlanEpochResponse>): Promise<ReceivedPlan> {
  const [first, ...rest] = (await collect(stream)).map(({ part }) => part)
  if (first?.$case !== 'header') throw new Error('the plan did not start with a header')
  const chunks = rest.map((part) => {
    if (part?.$case !== 'chunk') throw new Error('something else than a chunk came after the header')
    return part.value
  })
  return { header: first.value, chunks, indices: chunks.flatMap(({ sampleIndices }) => unpackIndices(sampleIndices)) }
}
