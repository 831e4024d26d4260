import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { refused } from '../../support/refusal.js'
import { SamplerProcess } from '../../support/sampler-process.js'
import { SamplerStubs } from '../../support/test-sampler.js'

async function serve(): Promise<{ sampler: SamplerProcess; grpc: string; lifeline: string }> {
  const sampler = SamplerProcess.serve(['--lifeline', '127.0.0.1:0'])
  onTestFinished(() => sampler.kill())
  const { grpc, lifeline } = await sampler.logged('listening')
  expect(lifeline).toMatch(/^127\.0\.0\.1:[1-9]\d*$/)
  return { sampler, grpc: String(grpc), lifeline: String(lifeline) }
}

/** A process that holds the lifeline, and prints what it is told there. */
async function holder(lifeline: string): Promise<{ process: ChildProcess; greeting: unknown }> {
  const [host, port] = lifeline.split(':')
  const script = `require('node:net').connect(${port}, '${host}').pipe(process.stdout)`
  const process = spawn(globalThis.process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    process.kill('SIGKILL')
  })
  const [line] = await once(process.stdout?.setEncoding('utf8') ?? process, 'data')
  return { process, greeting: JSON.parse(line) }
}

test('the sampler drains and exits 0 when the last process that held it was killed', async () => {
  const { sampler, grpc, lifeline } = await serve()
  const [first, last] = [await holder(lifeline), await holder(lifeline)]
  expect(first.greeting).toEqual({ instance: expect.stringMatching(/^[0-9a-f-]{36}$/), version: '0.1.0' })
  expect(last.greeting).toEqual(first.greeting)

  const stubs = new SamplerStubs(grpc)
  onTestFinished(() => stubs.close())
  first.process.kill('SIGKILL')
  await once(first.process, 'close')
  await stubs.createRun('run', { sampleCount: 10, pruneRate: 0.5 })
  const waiting = refused(stubs.plan({ runId: 'run', rank: 0, worldSize: 2 }))
  // Answered behind the plan's request on the same connection: that has arrived, too.
  await stubs.getRun('run')

  last.process.kill('SIGKILL')
  expect(await waiting).toMatchObject({ code: 'UNAVAILABLE', reason: 'DRAINING' })
  expect(await sampler.ended).toMatchObject({ code: 0, stderr: '' })
  expect(sampler.log.slice(2)).toMatchObject([
    { msg: 'lifeline let go', reason: 'the last holder is gone' },
    { msg: 'draining' },
    { msg: 'stopped' },
  ])
})

test('the sampler exits 0 when nobody came to hold it', async () => {
  const { sampler } = await serve()
  expect(await sampler.ended).toMatchObject({ code: 0, stderr: '' })
  expect(sampler.log[1]).toMatchObject({ msg: 'lifeline let go', reason: 'nobody connected within 5 s' })
})

test('a holder sees the end of a sampler that was told to stop, and the process does not stop twice', async () => {
  const { sampler, lifeline } = await serve()
  const { process } = await holder(lifeline)
  sampler.signal('SIGTERM')
  await once(process, 'close')
  expect(await sampler.ended).toMatchObject({ code: 0, stderr: '' })
  expect(sampler.log.map(({ msg }) => msg)).toEqual(['listening', 'draining', 'stopped'])
})
