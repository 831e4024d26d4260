import type { Selection } from '@keepset/client'
import { describe, expect, it } from 'vitest'
import { showSelections } from './show-selections.js'
import { fakeCommand, selection, streamOf } from './testing/fake-command.js'

function command(...selections: readonly Selection[]) {
  const asked: string[] = []
  const client = {
    selections: (runId: string) => {
      asked.push(runId)
      return streamOf(...selections)
    },
  }
  return { ...fakeCommand({ client }), asked }
}

const first = selection({ epoch: 1, keptCount: 30_000, alwaysCount: 30_000, sometimesCount: 0, neverCount: 30_000 })
const second = selection({
  epoch: 11,
  alwaysCount: 6_000,
  sometimesCount: 42_000,
  overlap: 0.25,
  timesKept: [12_000, 42_000, 6_000],
})

describe('showSelections', () => {
  it('prints a line each, shares of all samples, nothing for the overlap of the first', async () => {
    const { context, stdout, asked } = command(first, second)
    await showSelections(context, 'demo', {})
    expect(asked).toEqual(['demo'])
    expect(stdout()).toBe(
      [
        'EPOCH   KEPT     ALWAYS   SOMETIMES   NEVER    OVERLAP',
        '1       30,000   50.0 %   0.0 %       50.0 %   -',
        '11      30,000   10.0 %   70.0 %      20.0 %   25.0 %',
        '',
      ].join('\n'),
    )
  })

  it('prints JSON with the names of the contract and all that is known, null for the overlap of the first', async () => {
    const { context, stdout } = command(first, second)
    await showSelections(context, 'demo', { json: true })
    const [one, two] = JSON.parse(stdout())
    expect(one).toMatchObject({ epoch: 1, overlap: null })
    expect(two).toEqual({
      epoch: 11,
      kept_count: 30_000,
      always_count: 6_000,
      sometimes_count: 42_000,
      never_count: 12_000,
      overlap: 0.25,
      times_kept: [12_000, 42_000, 6_000],
      bin_width: 1,
    })
  })

  it('says that nothing was selected yet, in JSON with an empty array', async () => {
    const { context, stdout } = command()
    await showSelections(context, 'demo', {})
    expect(stdout()).toBe('Nothing was selected yet in run demo.\n')
    await showSelections(context, 'demo', { json: true })
    expect(stdout()).toBe('[]\n')
  })
})
