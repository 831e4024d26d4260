import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { atLeast } from '../support/at-least.js'
import { type Measurement, summarise } from '../support/measurement.js'

/** What a raw loop writes: so many records of so many bytes, so many at once. */
interface RawLoad {
  readonly reports: number
  readonly recordBytes: number
  readonly groupSize: number
}

function groupsOf({ reports, recordBytes, groupSize }: RawLoad): { group: Buffer; count: number } {
  return {
    group: Buffer.alloc(Math.round(recordBytes * groupSize), 1),
    count: Math.max(1, Math.round(reports / groupSize)),
  }
}

/** Append and fdatasync, again and again, with the calls that the file store uses, too: they leave the event loop free. */
export async function rawLoop(path: string, load: RawLoad, syncMs: number): Promise<Measurement> {
  const { group, count } = groupsOf(load)
  const file = await open(path, 'ax')
  const times: number[] = []
  const start = performance.now()
  for (let i = 0; i < count; i++) {
    const written = performance.now()
    await file.write(group)
    await atLeast(syncMs, file.datasync())
    times.push(performance.now() - written)
  }
  const milliseconds = performance.now() - start
  await file.close()
  return summarise(times, milliseconds, load.reports)
}

/** The same with calls that block: what the disk can do at best. */
export function blockingRawLoop(path: string, load: RawLoad): Measurement {
  const { group, count } = groupsOf(load)
  const file = openSync(path, 'ax')
  const times: number[] = []
  const start = performance.now()
  for (let i = 0; i < count; i++) {
    const written = performance.now()
    writeSync(file, group)
    fdatasyncSync(file)
    times.push(performance.now() - written)
  }
  const milliseconds = performance.now() - start
  closeSync(file)
  return summarise(times, milliseconds, load.reports)
}
