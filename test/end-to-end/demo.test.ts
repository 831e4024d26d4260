import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Report } from '../../examples/demo/src/report.js'

/** The built demo: `keepset serve` in one process, `keepset train` in another, bundled images. `npm test` builds first. */
const demo = fileURLToPath(new URL('../../examples/demo/dist/main.js', import.meta.url))
const EPOCHS = 3
const SAMPLES = 10_000

describe('the demo, two processes on real images', () => {
  const out = mkdtempSync(join(tmpdir(), 'keepset-demo-test-'))
  let printed: string
  let report: Report
  const arm = (policy: string) => {
    const found = report.arms.find((candidate) => candidate.policy === policy)
    if (!found) throw new Error(`no arm ${policy}`)
    return found
  }

  beforeAll(async () => {
    const args = [demo, '--epochs', String(EPOCHS), '--backend', 'wasm', '--out', out, '--picture', join(out, 'c.svg')]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    printed = stdout
    report = JSON.parse(readFileSync(join(out, 'demo-report.json'), 'utf8')) as Report
  }, 300_000)

  afterAll(() => rmSync(out, { recursive: true }))

  it('trains the four policies, the baseline first', () => {
    expect(report.arms.map(({ policy }) => policy)).toEqual(['full', 'random', 'epsilon_greedy', 'ucb'])
  })

  it('keeps exactly half after the full first epoch, and saves what was asked', () => {
    const counts = (policy: string) => arm(policy).curve.map(({ samplesTrained }) => samplesTrained)
    expect(counts('full')).toEqual([10_000, 20_000, 30_000])
    for (const policy of ['random', 'epsilon_greedy', 'ucb']) {
      expect(counts(policy)).toEqual([10_000, 15_000, 20_000])
      expect(arm(policy).saving).toBeCloseTo(1 - 20_000 / (EPOCHS * SAMPLES), 12)
    }
    expect(arm('full').saving).toBe(0)
  })

  it('learns: every accuracy is far above the 10 % of chance', () => {
    for (const { testAccuracy } of report.arms) expect(testAccuracy).toBeGreaterThan(0.75)
  })

  it('is fair: the first, full epoch is the same for all', () => {
    expect(new Set(report.arms.map(({ curve }) => curve[0]?.testAccuracy)).size).toBe(1)
  })

  it('counts the sampler in: its time is part of the time', () => {
    for (const { samplerSeconds, seconds, curve } of report.arms) {
      expect(samplerSeconds).toBeGreaterThan(0)
      expect(seconds).toBeGreaterThan(samplerSeconds)
      expect(curve.at(-1)?.seconds).toBeLessThanOrEqual(seconds)
    }
    expect(arm('full').speedUp).toBe(1)
    expect(arm('ucb').speedUp).toBeCloseTo(arm('full').seconds / arm('ucb').seconds, 12)
  })

  it('prints the table of the report', () => {
    for (const { policy, testAccuracy } of report.arms) {
      expect(printed).toMatch(new RegExp(`^${policy} +${(testAccuracy * 100).toFixed(1)} %`, 'm'))
    }
  })

  it('writes a page that needs no other file and no network', () => {
    const page = readFileSync(join(out, 'demo-report.html'), 'utf8')
    expect(page.match(/<svg/g)).toHaveLength(2)
    for (const { policy } of report.arms) expect(page).toContain(`<td>${policy}</td>`)
    expect(page).not.toMatch(/(src|href)=|@import|url\((?!['"]?#)/)
  })
})

describe('the demo with a bad option', () => {
  it('ends with an error that names it, and leaves no process behind', async () => {
    const run = promisify(execFile)(process.execPath, [demo, '--model', 'vgg'])
    await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('vgg') })
  })
})
