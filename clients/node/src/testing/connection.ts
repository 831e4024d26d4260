import { credentials } from '@grpc/grpc-js'
import { backoffDelay, systemTiming, type Timing } from '../backoff.js'
import { Connection, type ConnectionSettings } from '../connection.js'

/** The pauses between tries when `random` is always 0. Other timers bound a whole call and stay real. */
const pauses = new Set(Array.from({ length: 10 }, (_, attempt) => backoffDelay(attempt, 0)))

/** Pauses are as long as a turn of the event loop; the clock moves by what was paused. */
export function fastTiming(): Timing & { readonly waits: number[] } {
  const waits: number[] = []
  let elapsed = 0
  return {
    waits,
    now: () => elapsed,
    random: () => 0,
    schedule(callback, delayMs) {
      if (!pauses.has(delayMs)) return systemTiming.schedule(callback, delayMs)
      const timer = setImmediate(() => {
        waits.push(delayMs)
        elapsed += delayMs
        callback()
      })
      return () => clearImmediate(timer)
    },
  }
}

/** A connection for tests, whose retries take no time. */
export function testConnection(address: string, settings: Partial<ConnectionSettings> = {}, timing = fastTiming()) {
  return new Connection(
    address,
    credentials.createInsecure(),
    { callTimeoutMs: 10_000, reportQueueLimit: 256, giveUpAfterMs: 300_000, ...settings },
    timing,
  )
}
