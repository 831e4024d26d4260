import type { Selection } from '@keepset/client'
import { describe, expect, it } from 'vitest'
import { showRun } from './show-run.js'
import { fakeCommand, runInfo, selection, streamOf } from './testing/fake-command.js'

const now = Date.parse('2026-01-01T02:00:00Z')

async function show(run = runInfo(), options = {}, selections: readonly Selection[] = []) {
  const client = { getRun: async () => run, selections: () => streamOf(...selections) }
  const { context, stdout } = fakeCommand({ now, client })
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
weights             off
score source        loss
left-out samples    not scored
seed                18446744073709551615
saving              45.8 %
epochs planned      12
samples planned     390,000
selections          6
reports             3,047
observations        389,990
non-finite          10
repeats             0
scored              0
planned elsewhere   0
`)
  })

  it('leaves out what is not known', async () => {
    const text = await show(runInfo({ settings: { epochs: undefined, policy: { kind: 'random' } } }))
    expect(text).toMatch(/^next epoch +12$/m)
    expect(text).toMatch(/^policy +random$/m)
  })

  it('says how weights are capped, what is scored, and what losses are', async () => {
    const text = await show(
      runInfo({
        settings: {
          policy: { kind: 'importance', exponent: 1, uniformShare: 0.2 },
          weights: 'on',
          weightCap: 8,
          scoreSource: 'batch_loss',
          batchLossMomentum: 0.7,
          scoreLeftOut: true,
        },
        progress: { scored: 12_345, samplesPlannedElsewhere: 1_200_000 },
      }),
    )
    expect(text).toMatch(/^policy +importance \(exponent 1, uniform_share 0\.2\)$/m)
    expect(text).toMatch(/^weights +on, at most 8$/m)
    expect(text).toMatch(/^score source +batch_loss \(momentum 0\.7\)$/m)
    expect(text).toMatch(/^left-out samples +scored$/m)
    expect(text).toMatch(/^scored +12,345$/m)
    expect(text).toMatch(/^planned elsewhere +1,200,000$/m)
  })

  it.each([
    [[], 'none'],
    [['a', 'b'], 'a b'],
  ])('names the runs that scores come from: %j', async (scoresFrom, text) => {
    const policy = { kind: 'static_score', metric: 'el2n', observeEpochs: 20, scoresFrom } as const
    expect(await show(runInfo({ settings: { policy } }))).toContain(
      `static_score (metric el2n, observe_epochs 20, scores_from ${text})\n`,
    )
  })

  it('ends with what came of the last five selections', async () => {
    const selections = [1, 3, 5, 7, 9, 11].map((epoch) => selection({ epoch, overlap: epoch / 20 }))
    const text = await show(runInfo(), {}, selections)
    expect(text.slice(text.indexOf('\n\n'))).toBe(
      [
        '\n\nlast selections',
        'EPOCH   KEPT     ALWAYS   SOMETIMES   NEVER    OVERLAP',
        '3       30,000   20.0 %   60.0 %      20.0 %   15.0 %',
        '5       30,000   20.0 %   60.0 %      20.0 %   25.0 %',
        '7       30,000   20.0 %   60.0 %      20.0 %   35.0 %',
        '9       30,000   20.0 %   60.0 %      20.0 %   45.0 %',
        '11      30,000   20.0 %   60.0 %      20.0 %   55.0 %',
        '',
      ].join('\n'),
    )
  })

  it('prints the JSON of list, and null for a length that is not known', async () => {
    const run = JSON.parse(await show(runInfo({ settings: { epochs: undefined } }), { json: true }))
    expect(run).toMatchObject({ run_id: 'demo', epoch_starts: [10, 11, 12], spec: { total_epochs: null } })
  })
})
