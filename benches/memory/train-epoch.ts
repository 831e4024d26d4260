import type { SamplerStubs } from '../../test/support/test-sampler.js'
import { samplerChannel } from '../support/channel.js'
import { lossesOf } from '../support/losses.js'
import { encodeReport } from '../support/wire.js'

/**
 * One rank's epoch: reads the plan to its end, as a trainer does, so that the sampler needs its order no more, and reports a loss for each sample, a report for each
 * chunk. `isWhole`: false leaves the last report out, and the epoch stays under way.
 */
export async function trainEpoch(
  stubs: SamplerStubs,
  { runId, epoch, isWhole }: { runId: string; epoch: number; isWhole: boolean },
): Promise<void> {
  const channel = samplerChannel(stubs.address)
  await channel.connected()
  const sent: Promise<unknown>[] = []
  let last: Uint32Array | undefined
  const report = (indices: Uint32Array) => {
    const place = { runId, epoch, rank: 0 }
    return channel.send(encodeReport(place, sent.length + 1, indices, lossesOf(indices.length, epoch)))
  }
  for await (const { part } of stubs.openPlan({ runId, epoch, worldSize: 1 })) {
    if (part?.$case !== 'chunk') continue
    if (last) sent.push(report(last))
    await sent.at(-1)
    last = new Uint32Array(new Uint8Array(part.value.sampleIndices).buffer)
  }
  if (last && isWhole) sent.push(report(last))
  await sent.at(-1)
  await channel.close()
}
