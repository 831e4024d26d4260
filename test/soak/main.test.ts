import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

function soak(...args: readonly string[]) {
  const env = { ...process.env, TSX_TSCONFIG_PATH: path('../support/tsconfig.sources.json') }
  return promisify(execFile)(process.execPath, ['--import', 'tsx', path('main.ts'), ...args], { env })
}

it('tells its settings', async () => {
  expect((await soak('--help')).stdout).toMatch(/--kills N[\s\S]*\(500\)/)
})

it.each([
  [['--kills', 'many'], '--kills is "many"; it must be a whole number of at least 1'],
  [['--minutes', '0'], '--minutes is "0"; it must be a whole number of at least 1'],
  [['--loud'], "Unknown option '--loud'"],
])('refuses %j', async (args, text) => {
  await expect(soak(...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(text) })
})
