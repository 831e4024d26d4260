import { setTimeout as wait } from 'node:timers/promises'

/** Waits for work, and then until `milliseconds` have passed since the call. */
export async function atLeast(milliseconds: number, work: Promise<void>): Promise<void> {
  const start = performance.now()
  await work
  const left = milliseconds - (performance.now() - start)
  if (left > 0) await wait(Math.ceil(left))
}
