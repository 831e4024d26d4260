import { describe, expect, it } from 'vitest'
import { showRun } from './show-run.js'
import { fakeCommand, runInfo } from './testing/fake-command.js'

const now = Date.parse('2026-01-01T02:00:00Z')

async function show(run = runInfo(), options = {}) {
  const { context, stdout } = fakeCommand({ now, client: { getRun: async () => run } })
  await showRun(context, run.runId, options)
  return stdout()
}

describe('showRun', () => {
  it('prints all settings and all progress, a line each', async () => {
    const run = runInfo({ settings: { pruneRateSchedule: [{ fromEpoch: 20, pruneRate: 0.7 }] } })
    expect(await show(run)).toBe(`run id              demo
state               active
created             2026-01-01T00:00:00.000Z (2 hours ago)
updated             2026-01-01T01:00:00.000Z (1 hour ago)
generation          1
next epoch          12 of 30
epoch starts        10, 11, 12
samples             60,000
policy              ucb (c 1, alpha 0.8, initial first_loss)
prune rate          0.5, 0.7 from epoch 20
selection period    2
warm-up epochs      1
tail epochs         0
shard mode          pad
position multiple   1
losses not finite   ignore
metrics             none
seed                18446744073709551615
saving              45.8 %
epochs planned      12
samples planned     390,000
selections          6
reports             3,047
observations        389,990
non-finite          10
repeats             0
`)
  })

  it('leaves out what is not known', async () => {
    const text = await show(runInfo({ settings: { epochs: undefined, policy: { kind: 'random' } } }))
    expect(text).toMatch(/^next epoch +12$/m)
    expect(text).toMatch(/^policy +random$/m)
  })

  it('prints the JSON of list, and null for a length that is not known', async () => {
    const run = JSON.parse(await show(runInfo({ settings: { epochs: undefined } }), { json: true }))
    expect(run).toMatchObject({ run_id: 'demo', epoch_starts: [10, 11, 12], spec: { total_epochs: null } })
  })
})
