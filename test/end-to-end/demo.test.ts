import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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

/** What a user may have set for other work, and must not change or stop the demo: nothing answers at the proxy. */
const hostile = {
  KEEPSET_LOG_LEVEL: 'silent',
  KEEPSET_LEARNING_RATE: '7',
  KEEPSET_AUGMENT: 'true',
  KEEPSET_LISTEN: 'nowhere',
  http_proxy: 'http://127.0.0.1:1',
  https_proxy: 'http://127.0.0.1:1',
}

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
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...hostile } })
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

  it("tells all that the trainers were set to, and takes none of it from the user's environment", () => {
    for (const { policy, settings } of report.arms) {
      const pruneRate = policy === 'full' ? 0 : 0.5
      expect(settings).toMatchObject({ policy, pruneRate, epochs: EPOCHS, batchSize: 128, augment: false })
      expect(settings.learningRate).toBeLessThan(1)
      expect(settings.dataDigest).toBe(arm('full').settings.dataDigest)
    }
  })

  it('times the sampler as a part of the whole, and speeds as far as the samples allow', () => {
    for (const { samplerSeconds, seconds, samplesTrained, imagesPerSecond, speedUpBound, speedUp } of report.arms) {
      expect(samplerSeconds).toBeGreaterThan(0)
      expect(seconds).toBeGreaterThan(samplerSeconds)
      expect(imagesPerSecond).toBeCloseTo(samplesTrained / seconds, 9)
      expect(speedUp).toBeCloseTo(arm('full').seconds / seconds, 9)
      expect(speedUpBound).toBeCloseTo(30_000 / samplesTrained, 9)
    }
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

describe('a demo that does not come to its end', () => {
  /** The demo's own folder for temporary files: empty again when it has ended. */
  const temporary = mkdtempSync(join(tmpdir(), 'keepset-demo-test-'))
  afterAll(() => rmSync(temporary, { recursive: true }))

  const isAlive = (processId: number) => {
    try {
      return process.kill(processId, 0)
    } catch {
      return false
    }
  }

  /** Starts a long demo, and once a policy trains does something to the demo or its sampler. Returns how the demo ended. */
  async function interrupt(act: (demoId: number, samplerId: number) => void) {
    const args = [demo, '--epochs', '1000', '--limit', '500', '--backend', 'wasm', '--out', temporary]
    const env = { ...process.env, TMPDIR: temporary }
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const closed = once(child, 'close')
    let samplerId = 0
    let recorded: string[] = []
    let [stdout, stderr] = ['', '']
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (samplerId > 0 || !/^epoch +1 of/m.test(stdout)) return
      samplerId = Number(/process (\d+)/.exec(stdout)?.[1])
      recorded = readdirSync(temporary, { recursive: true, encoding: 'utf8' }).filter((path) =>
        path.endsWith('.journal'),
      )
      act(child.pid ?? 0, samplerId)
    })
    const [code] = (await closed) as [number | null]
    return { code, stderr, recorded, samplerAlive: isAlive(samplerId), left: readdirSync(temporary) }
  }

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends at %s with %i, and leaves no process and no file behind', async (signal, code) => {
    const ending = await interrupt((demoId) => process.kill(demoId, signal))
    expect(ending).toMatchObject({ code, samplerAlive: false, left: [] })
    expect(ending.stderr).not.toContain('demo:')
    expect(ending.recorded).not.toEqual([])
  })

  it('says that the sampler ended, and with what', async () => {
    const ending = await interrupt((_, samplerId) => process.kill(samplerId, 'SIGKILL'))
    expect(ending).toMatchObject({ code: 1, samplerAlive: false, left: [] })
    expect(ending.stderr).toMatch(/^demo: the sampler ended with SIGKILL while full trained$/m)
  })
})

describe('the demo with a bad option', () => {
  it('ends with an error that names it, and leaves no process behind', async () => {
    const run = promisify(execFile)(process.execPath, [demo, '--model', 'vgg'])
    await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('vgg') })
  })
})
