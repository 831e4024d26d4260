import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Bench } from '../support/bench.js'
import { describeMachine } from '../support/machine.js'
import { python } from '../support/numpy.js'
import { writePage } from './page.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keepset-page-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

const bench = (name: string): Bench => ({
  name,
  description: `what ${name} takes`,
  goal: `little of ${name}`,
  run: () => Promise.reject(new Error('not run')),
})
const benches = ['selection', 'reports', 'disk'].map(bench)
const settings = { rounds: 9, seed: 1, syncMs: 0, quick: false }

async function write(name: string, given: object): Promise<void> {
  const result = { time: '2026-11-26T12:00:00Z', machine: describeMachine(), settings, text: `| ${name} |`, ...given }
  await writeFile(join(folder, `${name}.json`), JSON.stringify(result))
}

const read = (name: string) => readFile(join(folder, 'docs', name), 'utf8')
const page = () => writePage(benches, folder, join(folder, 'docs'))

// It draws with the environment that `npm run setup:python` makes.
describe.runIf(existsSync(python) || process.env.KEEPSET_REQUIRE_PYTHON)('writePage', () => {
  it('writes nothing where there are no results', async () => {
    expect(await page()).toBeUndefined()
  })

  it('writes what there is, and says what is missing', async () => {
    await write('disk', { settings: { ...settings, rounds: 3, sizes: [5, 6] } })
    expect(await page()).toMatch(/benchmarks.md, without selection, reports: not measured yet$/)
    const text = await read('benchmarks.md')
    expect(text.match(/^## .*$/gm)).toEqual(['## disk'])
    expect(text).toContain('What disk takes.\n')
    expect(text).toContain('on 2026-11-26 with `npm run bench -- disk --rounds 3 --sizes 5,6`, 3 rounds.')
    expect(text).toContain(`All on ${describeMachine().processor}, `)
    expect(text).toContain('Goal: little of disk.\n')
    expect(text).toMatch(/\| disk \|\n\nNot measured: selection, reports.\n$/)
  })

  it('draws plots, the same again', async () => {
    const sizes = [50_000, 1_280_000].map((sampleCount) => ({ sampleCount, ways: { planner: [1, 3], numpy: [2, 2] } }))
    await write('selection', { measured: sizes })
    const load = { inFlight: 64, batchSize: 256, ways: { memory: [{ perSecond: 5000 }], bare: [{ perSecond: 9000 }] } }
    await write('reports', { measured: [1, 8].map((ranks) => ({ ranks, ...load })) })
    await page()
    const text = await read('benchmarks.md')
    for (const name of ['selection', 'reports']) {
      const image = `images/bench-${name}.svg`
      expect(text).toContain(`](${image})`)
      const drawn = await read(image)
      expect(drawn).toContain('<svg ')
      await page()
      expect(await read(image)).toBe(drawn)
    }
  }, 60_000)

  it('tells machines apart', async () => {
    await write('disk', { machine: { ...describeMachine(), processor: 'Other' } })
    await page()
    const text = await read('benchmarks.md')
    expect(text).not.toContain('All on ')
    expect(text.match(/On Other, \d+ cores/g)).toHaveLength(1)
  })
})
