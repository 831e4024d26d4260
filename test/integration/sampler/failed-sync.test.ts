import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { refused } from '../../support/refusal.js'
import { SamplerProcess } from '../../support/sampler-process.js'
import { SamplerStubs } from '../../support/test-sampler.js'

const preload = new URL('../../support/failing-sync.mjs', import.meta.url)

function serve(dataDir: string, trigger: string): SamplerProcess {
  const env = { NODE_OPTIONS: `--import=${preload}`, KEEPSET_TEST_FAIL_SYNC: trigger }
  const child = SamplerProcess.serve(['--data-dir', dataDir], env)
  onTestFinished(() => child.kill())
  return child
}

async function connectTo(child: SamplerProcess): Promise<SamplerStubs> {
  const stubs = new SamplerStubs(String((await child.logged('listening')).grpc))
  onTestFinished(() => stubs.close())
  return stubs
}

test('a disk that fails to sync ends the sampler, which acknowledges nothing more; the next one has all that was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keepset-failed-sync-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const trigger = join(folder, 'fail')
  const child = serve(join(folder, 'data'), trigger)
  const stubs = await connectTo(child)
  await stubs.createRun('r', { sampleCount: 4 })
  const { indices } = await stubs.plan({ runId: 'r', epoch: 0 })
  expect((await stubs.report({ runId: 'r', sequence: 1, indices: [...indices].slice(0, 1) })).duplicate).toBe(false)
  writeFileSync(trigger, '')
  const refusal = await refused(stubs.report({ runId: 'r', sequence: 2, indices: [...indices].slice(1, 2) }))
  expect(refusal.code).toBe('UNAVAILABLE')
  expect((await child.ended).code).toBe(1)
  expect(child.log.filter(({ level }) => level === 60)).toHaveLength(1)

  rmSync(trigger)
  const next = await connectTo(serve(join(folder, 'data'), trigger))
  expect((await next.getRun('r')).progress?.reports).toBeGreaterThanOrEqual(1n)
  expect((await next.report({ runId: 'r', sequence: 1, indices: [...indices].slice(0, 1) })).duplicate).toBe(true)
})
