import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, random } from '@keepset/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedSampler, startScriptedSampler } from '../../../clients/node/src/testing/scripted-sampler.js'
import { SamplerProcess } from '../../support/sampler-process.js'
import { TestSampler } from '../../support/test-sampler.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keepset-process-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const runs = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  new SamplerProcess(['runs', ...args], env)

// Each test starts processes, which takes seconds on a busy machine.
describe('keepset runs, in a process of its own', { timeout: 60_000 }, () => {
  it('shows its help', async () => {
    const { code, stdout, stderr } = await runs(['rewind', '--help']).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^Usage: keepset runs rewind \[options\] <run> <epoch>\n/)
  })

  it('takes the address of the sampler from the environment', async () => {
    const sampler = await TestSampler.start()
    try {
      const { code, stdout, stderr } = await runs(['list', '--json'], { KEEPSET_ADDRESS: sampler.address }).ended
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
    } finally {
      await sampler.stop()
    }
  })

  it('exits 1 where no sampler answers, and 2 on a bad argument', async () => {
    const refused = await runs(['show', 'demo', '--address', '127.0.0.1:1', '--connect-timeout', '0.1']).ended
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^error: no sampler answers/) })
    expect(await runs(['rewind', 'demo', 'three']).ended).toMatchObject({ code: 2, stdout: '' })
  })

  it('ends quietly when nobody reads its output any more', async () => {
    const sampler = await TestSampler.start()
    const client = connect(sampler.address)
    await client.createRun({ runId: 'demo', sampleCount: 400_000, policy: random() })
    client.close()
    const main = fileURLToPath(new URL('../../../services/sampler/src/main.ts', import.meta.url))
    const tsconfig = fileURLToPath(new URL('../../support/tsconfig.sources.json', import.meta.url))
    const args = ['--import', 'tsx', main, 'runs', 'statistics', 'demo', '--address', sampler.address]
    const child = spawn(process.execPath, args, { env: { ...process.env, TSX_TSCONFIG_PATH: tsconfig } })
    child.stdout.once('data', () => child.stdout.destroy())
    const stderr = child.stderr.toArray()
    const [code] = await once(child, 'close')
    expect(Buffer.concat(await stderr).toString()).toBe('')
    expect(code).toBe(141)
    await sampler.stop()
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('leaves no half-written file when it is stopped by %s', async (signal, exitCode) => {
    let child: SamplerProcess | undefined
    let sampler: ScriptedSampler | undefined
    const cancelled = new Promise<void>((resolve) => {
      const starting = startScriptedSampler({
        exportRun(call) {
          call.on('cancelled', () => resolve())
          call.write({ chunk: Buffer.alloc(1000) }, () => child?.signal(signal))
        },
      })
      starting.then((started) => {
        sampler = started
        const output = join(folder, 'demo.export')
        child = runs(['export', 'demo', '--output', output, '--address', started.address])
      }, resolve)
    })
    await cancelled
    expect(await child?.ended).toMatchObject({ code: exitCode, stdout: '', stderr: '' })
    expect(readdirSync(folder)).toEqual([])
    sampler?.stop()
  })
})
