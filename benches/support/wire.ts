import { LossReport, type PlanEpochRequest, StreamReportsRequest } from '@keepset/proto'
import { collect } from '../../test/support/calls.js'
import type { SamplerStubs } from '../../test/support/test-sampler.js'
import { samplerChannel } from './channel.js'
import { gammaLosses } from './gamma-losses.js'

/** What is asked for: a rank's plan of an epoch. */
type PlanOf = Pick<PlanEpochRequest, 'runId' | 'epoch'> & Partial<Pick<PlanEpochRequest, 'rank' | 'worldSize'>>

/** Losses of a report: 1 MiB of indices, and as much again. */
const FILL = 0x40000

/** A report as StreamReports takes it, as bytes. */
export function encodeReport(
  { runId, epoch, rank }: { runId: string; epoch: number; rank: number },
  sequence: number,
  indices: Uint32Array,
  losses: Float32Array,
): Buffer {
  const bytes = ({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array) =>
    Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
  const report = LossReport.fromPartial({
    ...{ runId, epoch, rank, sequence, generation: 0 },
    sampleIndices: bytes(indices),
    losses: bytes(losses),
  })
  return Buffer.from(StreamReportsRequest.encode({ report }).finish())
}

/** All indices of a rank's plan. */
export async function planIndices(stubs: SamplerStubs, request: PlanOf): Promise<Uint32Array> {
  const parts = await collect(stubs.openPlan({ worldSize: 1, ...request }))
  const chunks = parts.flatMap(({ part }) => (part?.$case === 'chunk' ? [part.value.sampleIndices] : []))
  return new Uint32Array(new Uint8Array(Buffer.concat(chunks)).buffer)
}

/** Has a plan made for one rank; reads no more of it than its header. */
export function makePlan(stubs: SamplerStubs, request: PlanOf): Promise<void> {
  const call = stubs.openPlan({ worldSize: 1, ...request })
  return new Promise((resolve, reject) => {
    call.on('error', reject) // Once resolved, that of the cancelling changes nothing.
    call.once('data', () => {
      resolve()
      call.cancel()
    })
  })
}

/** Creates a run that keeps half by UCB, and gives each sample a loss in its first epoch. Its next epoch selects, as does each later one. */
export async function fillRun(stubs: SamplerStubs, runId: string, sampleCount: number, seed: number): Promise<void> {
  const policy = { $case: 'ucb' as const, value: {} }
  await stubs.createRun(runId, { sampleCount, seed: BigInt(seed), pruneRate: 0.5, selectionPeriod: 1, policy })
  await makePlan(stubs, { runId, epoch: 0 })
  const draw = gammaLosses(seed)
  const channel = samplerChannel(stubs.address)
  await channel.connected()
  for (let start = 0, sequence = 1; start < sampleCount; start += FILL, sequence++) {
    const length = Math.min(FILL, sampleCount - start)
    const indices = Uint32Array.from({ length }, (_, i) => start + i)
    const losses = Float32Array.from({ length }, draw)
    await channel.send(encodeReport({ runId, epoch: 0, rank: 0 }, sequence, indices, losses))
  }
  await channel.close()
}
