import type { Channel } from '../support/channel.js'
import { type Measurement, summarise } from '../support/measurement.js'

/** What reports: ranks, each with so many reports on its way at once. */
export interface Load {
  readonly ranks: number
  /** Over all ranks. */
  readonly inFlight: number
  readonly batchSize: number
}

/** Sends the reports of each rank over a connection of its own. */
export async function measureLoad(
  { ranks, inFlight }: Load,
  reportsByRank: readonly (readonly Buffer[])[],
  open: () => Channel,
): Promise<Measurement> {
  const channels = Array.from({ length: ranks }, open)
  await Promise.all(channels.map((channel) => channel.connected()))
  const times: number[] = []
  const sendAll = async (channel: Channel, reports: Iterator<Buffer>) => {
    for (let next = reports.next(); !next.done; next = reports.next()) {
      const sent = performance.now()
      await channel.send(next.value)
      times.push(performance.now() - sent)
    }
  }
  const start = performance.now()
  await Promise.all(
    channels.flatMap((channel, rank) => {
      const reports = (reportsByRank[rank] ?? []).values()
      return Array.from({ length: inFlight / ranks }, () => sendAll(channel, reports))
    }),
  )
  const milliseconds = performance.now() - start
  await Promise.all(channels.map((channel) => channel.close()))
  return summarise(times, milliseconds)
}
