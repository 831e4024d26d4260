import { type Measurement, summarise } from '../support/measurement.js'
import { type Reporters, ranksOf } from './shape.js'

/** A way in which reports become durable, or part of it. */
export interface Way {
  /** Makes reports ready, so that nothing but reporting is measured then. */
  beginRound(): Promise<void>
  measure(reporters: Reporters): Promise<Measurement>
  close(): Promise<void>
}

/** Times reporters that each hand over the reports of their ranks; `report` resolves with the acknowledgement. */
export async function measure<Report>(
  reporters: Reporters,
  reportsByRank: readonly (readonly Report[])[],
  report: (report: Report, reporter: number) => Promise<unknown>,
): Promise<Measurement> {
  const loads = ranksOf(reporters).map((ranks) => ranks.flatMap((rank) => reportsByRank[rank] ?? []))
  const times: number[] = []
  const start = performance.now()
  await Promise.all(
    loads.map(async (load, reporter) => {
      for (const next of load) {
        const handedOver = performance.now()
        await report(next, reporter)
        times.push(performance.now() - handedOver)
      }
    }),
  )
  return summarise(times, performance.now() - start)
}
