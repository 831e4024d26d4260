import { quantile } from './summary.js'

/** Reports that were handed over and acknowledged. */
export interface Measurement {
  readonly reports: number
  readonly perSecond: number
  /** Milliseconds from handing a report over to its acknowledgement. */
  readonly p50: number
  readonly p99: number
}

export function summarise(times: readonly number[], milliseconds: number, reports = times.length): Measurement {
  const perSecond = (reports / milliseconds) * 1000
  return { reports, perSecond, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}
