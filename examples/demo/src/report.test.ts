import { describe, expect, it } from 'vitest'
import type { DemoSettings, PolicyName } from './arm.js'
import type { ArmFigures } from './read-result.js'
import { explain, makeReport } from './report.js'
import { renderReportPage } from './report-page.js'
import { formatTable } from './result-table.js'

const settings: DemoSettings = {
  epochs: 20,
  pruneRate: 0.5,
  model: 'mlp',
  backend: 'wasm',
  seed: 0,
  batchSize: 128,
  limit: undefined,
}

function arm(policy: PolicyName, samplesTrained: number, seconds: number): ArmFigures {
  return {
    policy,
    backend: 'wasm',
    backendReason: 'asked for',
    settings: {} as ArmFigures['settings'],
    parameterCount: 10,
    trainCount: 1000,
    testCount: 100,
    testAccuracy: 0.8,
    samplesTrained,
    seconds,
    samplerSeconds: 0.25,
    imagesPerSecond: samplesTrained / seconds,
    saving: 0,
    curve: [{ seconds, samplesTrained, testAccuracy: 0.8 }],
  }
}

const report = (seconds: number) => makeReport(settings, [arm('full', 20_000, 10), arm('ucb', 10_000, seconds)])
const warnings = (seconds: number) => explain(report(seconds)).filter((line) => line.includes('not to be trusted'))

describe('the speed-up', () => {
  it('is the time of full over that of the arm, and bound by the samples of the two', () => {
    expect(report(8).arms.map(({ speedUp, speedUpBound }) => [speedUp, speedUpBound])).toEqual([
      [1, 1],
      [1.25, 2],
    ])
  })

  it('is not believed where it is above its bound by more than 2 %', () => {
    expect(warnings(8)).toEqual([])
    expect(warnings(5)).toEqual([])
    expect(warnings(10 / 2.03)).toEqual([]) // 1.5 % above
    expect(warnings(10 / 2.05)).toEqual([expect.stringMatching(/^The speed-up of ucb is above what the samples allow/)])
  })

  it('is in the table with its bound and the images a second', () => {
    const [titles, , full, ucb] = formatTable(report(8).arms).split('\n')
    expect(titles).toMatch(/ time +of it in the sampler +images\/s +speed-up +of at most$/)
    expect(full).toMatch(/ 10\.0 s +0\.25 s +2,000 +1\.00 x +1\.00 x$/)
    expect(ucb).toMatch(/ 8\.0 s +0\.25 s +1,250 +1\.25 x +2\.00 x$/)
  })

  it('is on the page with its bound and the warning', () => {
    const page = renderReportPage(report(4))
    expect(page).toContain('<td>2,500</td><td>2.50 x</td><td>2.00 x</td>')
    expect(page).toContain('the time column is not to be trusted')
  })
})

it('says that the arms ran one after another, once each', () => {
  const text = explain(report(8)).join('\n')
  expect(text).toContain('The arms ran one after another')
  expect(text).toContain('one run each: run more seeds before you believe a difference')
})
