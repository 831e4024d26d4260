import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keepset-benches-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

function bench(...args: readonly string[]) {
  const env = { ...process.env, TSX_TSCONFIG_PATH: path('../test/support/tsconfig.sources.json') }
  return promisify(execFile)(process.execPath, ['--import', 'tsx', path('main.ts'), ...args], { env })
}

const hasPython = existsSync(path('../clients/python/.venv/keepset.sha256')) || process.env.KEEPSET_REQUIRE_PYTHON

const benches = [
  ...['plans', 'reports', 'profile', 'durable-reports', 'interference', 'node-report'],
  ...['trainer-overhead', 'disk', 'recovery', 'startup'],
  // Reads what Linux tells of a process.
  ...(process.platform === 'linux' ? ['memory'] : []),
  // Need the environment that `npm run setup:python` makes.
  ...(hasPython ? ['selection', 'update', 'pytorch'] : []),
]

it.each(benches)(
  '%s runs, prints a table and writes its result',
  async (name) => {
    const { stdout } = await bench(name, '--quick', '--rounds', '2', '--disk', folder, '--out', folder)
    expect(stdout).toMatch(new RegExp(`^## ${name}\n`))
    expect(stdout).toMatch(/^\| .* \|\n\| -+ \|/m)
    expect(stdout).not.toMatch(/NaN|Infinity|undefined/)
    const result = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'))
    expect(result).toMatchObject({
      bench: name,
      machine: { node: process.version },
      settings: { rounds: 2, seed: 1, quick: true },
    })
  },
  60_000, // Real work, as long as the machine takes for it.
)

it.each([
  [['nothing'], 'there is no bench "nothing"'],
  [[], 'which bench?'],
  [['page', '--out', '/nowhere'], '/nowhere has no results'],
  [['disk', '--rounds', 'many'], '--rounds is "many"; it must be a whole number of at least 1'],
  [['disk', '--sizes', '5,few'], '--sizes is "few"; it must be a whole number of at least 1'],
  [['disk', '--loud'], "Unknown option '--loud'"],
])('refuses %j', async (args, text) => {
  await expect(bench(...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(text) })
})
