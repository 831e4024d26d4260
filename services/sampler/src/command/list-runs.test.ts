import { describe, expect, it } from 'vitest'
import { listRuns } from './list-runs.js'
import { fakeCommand, runInfo, streamOf } from './testing/fake-command.js'

const now = Date.parse('2026-01-01T01:03:00Z')
const runs = [
  runInfo(),
  runInfo({
    runId: 'cifar-10',
    state: 'finished',
    nextEpoch: 7,
    generation: 3,
    settings: {
      policy: { kind: 'full' },
      epochs: undefined,
      sampleCount: 1_281_167,
      pruneRate: 0,
      pruneRateSchedule: [
        { fromEpoch: 2, pruneRate: 0.1 },
        { fromEpoch: 7, pruneRate: 0.25 },
        { fromEpoch: 8, pruneRate: 0.7 },
      ],
    },
    progress: { saving: 0 },
  }),
]

function listing(items: typeof runs, damaged: string[] = []) {
  return fakeCommand({
    now,
    client: { listRuns: () => streamOf(...items), listDamagedRuns: () => streamOf(...damaged) },
  })
}

describe('listRuns', () => {
  it('prints a table without borders, colours and spaces at the ends, damaged runs in their place', async () => {
    const { context, stdout } = listing(runs, ['broken'])
    await listRuns(context, {})
    expect(stdout()).toBe(
      [
        'RUN ID     STATE      POLICY   SAMPLES     EPOCH   PRUNE RATE   SAVING   GENERATION   UPDATED',
        'broken     damaged    -        -           -       -            -        -            -',
        'cifar-10   finished   full     1,281,167   7       0.25         0.0 %    3            3 minutes ago',
        'demo       active     ucb      60,000      12/30   0.5          45.8 %   1            3 minutes ago',
        '',
      ].join('\n'),
    )
  })

  it('cuts nothing, however long a name is', async () => {
    const runId = 'x'.repeat(128)
    const { context, stdout } = listing([runInfo({ runId })])
    await listRuns(context, {})
    expect(stdout()).toContain(`\n${runId}   active   ucb `)
  })

  it('says how to start a run where there is none', async () => {
    const { context, stdout } = listing([])
    await listRuns(context, {})
    expect(stdout()).toBe(
      'No runs yet: a trainer starts one, "keepset train" or a program of yours with createRun() of @keepset/client.\n',
    )
  })

  it('prints one JSON array, with the names of the contract', async () => {
    const { context, stdout } = listing([runInfo()], ['broken'])
    await listRuns(context, { json: true })
    expect(JSON.parse(stdout())).toEqual([
      { run_id: 'broken', state: 'damaged' },
      {
        run_id: 'demo',
        state: 'active',
        next_epoch: 12,
        generation: 1,
        epoch_starts: [10, 11, 12],
        create_time: '2026-01-01T00:00:00.000Z',
        update_time: '2026-01-01T01:00:00.000Z',
        spec: {
          sample_count: 60_000,
          policy: { name: 'ucb', c: 1, alpha: 0.8, initial: 'first_loss' },
          prune_rate: 0.5,
          prune_rate_schedule: [],
          total_epochs: 30,
          seed: '18446744073709551615',
          selection_period: 2,
          warmup_epochs: 1,
          tail_epochs: 0,
          shard_mode: 'pad',
          position_multiple: 1,
          non_finite: 'ignore',
          metrics: [],
          weights: 'off',
          weight_cap: null,
          score_source: 'loss',
          batch_loss_momentum: null,
          score_left_out: false,
        },
        progress: {
          epochs_planned: 12,
          samples_planned: 390_000,
          selections: 6,
          reports: 3047,
          observations: 389_990,
          non_finite: 10,
          repeats: 0,
          scored: 0,
          samples_planned_elsewhere: 0,
          saving: 0.4583,
        },
      },
    ])
  })

  it('prints the settings of a policy with the names of the contract', async () => {
    const policy = { kind: 'order_dp', poolRate: 0.7 } as const
    const { context, stdout } = listing([runInfo({ settings: { policy } })])
    await listRuns(context, { json: true })
    expect(JSON.parse(stdout())[0].spec.policy).toEqual({ name: 'order_dp', pool_rate: 0.7 })
  })

  it('prints an empty JSON array where there is no run', async () => {
    const { context, stdout } = listing([])
    await listRuns(context, { json: true })
    expect(stdout()).toBe('[]\n')
  })
})
