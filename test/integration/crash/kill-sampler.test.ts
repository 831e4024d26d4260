import { mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ucb } from '@keepset/client'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { acknowledging } from '../../soak/acknowledged-run.js'
import { crashRound } from '../../soak/crash-round.js'
import { KillableSampler } from '../../soak/killable-sampler.js'
import { Transcript } from '../../soak/transcript.js'

/** Most of it is starting processes, which a busy machine does slowly. */
const timeout = 240_000

/** Another one finds other moments: KEEPSET_CRASH_SEED=N npm test -- test/integration/crash. */
const seed = Number(process.env.KEEPSET_CRASH_SEED ?? 1)

let dataDir: string
let sampler: KillableSampler
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'keepset-crash-'))
})
afterEach(async () => {
  await sampler.destroy()
  await rm(dataDir, { recursive: true })
})

it(`loses nothing, doubles nothing and changes no plan, however often it is killed (seed ${seed})`, {
  timeout,
}, async () => {
  sampler = await KillableSampler.start(dataDir)
  const signal = AbortSignal.timeout(timeout - 10_000)
  const result = await crashRound(sampler, { name: 'crash', seed, kills: 25, signal })
  expect(result).toMatchObject({ lost: 0, doubled: 0, runs: 8 })
  expect(sampler.kills).toBeGreaterThanOrEqual(25)
  await sampler.stop()
})

/** Takes the end of the journal away: more reports than may wait for their acknowledgement. */
async function forgetReports(): Promise<void> {
  const journal = (await readdir(dataDir, { recursive: true })).find((name) => name.endsWith('.journal'))
  const path = join(dataDir, String(journal))
  await truncate(path, (await stat(path)).size - 10_000)
}

it('would tell if acknowledged reports were gone', { timeout }, async () => {
  sampler = await KillableSampler.start(dataDir, { whileDown: forgetReports })
  const settings = { runId: 'forgotten', sampleCount: 5000, policy: ucb(), epochs: 1, seed }
  const training = { settings, worldSize: 1, batchSize: 32 }
  let acknowledged = 0
  const tick = () => {
    if (++acknowledged === 60) sampler.kill().catch(() => undefined)
  }
  const { signal } = new AbortController()
  const trained = acknowledging(sampler)(sampler.address, training, { notes: new Transcript(), tick, signal })
  await expect(trained).rejects.toThrow(/^\d+ acknowledged reports were lost$/)
})
