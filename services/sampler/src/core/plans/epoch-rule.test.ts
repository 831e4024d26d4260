import { describe, expect, it } from 'vitest'
import { type EpochSettings, isScored, ruleOfEpoch } from './epoch-rule.js'

const settings: EpochSettings = {
  sampleCount: 100,
  pruneRate: 0.5,
  pruneRateSchedule: [],
  totalEpochs: undefined,
  selectionPeriod: 3,
  warmupEpochs: 1,
  tailEpochs: 0,
  scoreLeftOut: false,
}

const reasons = (given: Partial<EpochSettings>, epochs: number) =>
  Array.from({ length: epochs }, (_, epoch) => ruleOfEpoch({ ...settings, ...given }, epoch))
    .map(({ reason, keptCount }) => `${reason[0]}${keptCount}`)
    .join(' ')

describe('ruleOfEpoch', () => {
  it('warms up, selects every period, and reuses between', () => {
    expect(reasons({}, 8)).toBe('w100 s50 r50 r50 s50 r50 r50 s50')
  })

  it('selects from epoch 0 on without a warm-up', () => {
    expect(reasons({ warmupEpochs: 0 }, 4)).toBe('s50 r50 r50 s50')
  })

  it('ends with a full tail', () => {
    expect(reasons({ totalEpochs: 6, tailEpochs: 2 }, 6)).toBe('w100 s50 r50 r50 t100 t100')
  })

  it('selects where the scheduled rate changes', () => {
    const pruneRateSchedule = [
      { fromEpoch: 3, pruneRate: 0.7 },
      { fromEpoch: 6, pruneRate: 0.2 },
    ]
    expect(reasons({ pruneRateSchedule }, 8)).toBe('w100 s50 r50 s30 s30 r30 s80 s80')
  })

  it('keeps the rate of the schedule that began in the warm-up', () => {
    expect(reasons({ warmupEpochs: 2, pruneRateSchedule: [{ fromEpoch: 1, pruneRate: 0.9 }] }, 4)).toBe(
      'w100 w100 s10 r10',
    )
  })
})

describe('isScored', () => {
  const scored = (given: Partial<EpochSettings>, epochs: number) =>
    Array.from({ length: epochs }, (_, epoch) => Number(isScored({ ...settings, scoreLeftOut: true, ...given }, epoch)))

  it('is so before each selection, where something is left out', () => {
    expect(scored({}, 9)).toEqual([0, 0, 0, 1, 0, 0, 1, 0, 0])
    expect(scored({ scoreLeftOut: false }, 9)).toEqual(new Array(9).fill(0))
  })

  it('is not so in the last epoch, before a tail and in it', () => {
    expect(scored({ selectionPeriod: 1, totalEpochs: 4 }, 4)).toEqual([0, 1, 1, 0])
    expect(scored({ selectionPeriod: 1, totalEpochs: 6, tailEpochs: 2 }, 6)).toEqual([0, 1, 1, 0, 0, 0])
  })
})
