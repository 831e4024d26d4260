import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { collect } from '../../support/calls.js'
import { type HealthAnswer, HealthClient } from '../../support/health-client.js'
import { decodeRefusal, refused } from '../../support/refusal.js'
import { SamplerProcess } from '../../support/sampler-process.js'
import { lossReport, SamplerStubs } from '../../support/test-sampler.js'

const DRAINING = { code: 'UNAVAILABLE', reason: 'DRAINING', domain: 'keepset.dev' }

let child: SamplerProcess
let grpc: string
let stubs: SamplerStubs
beforeEach(async () => {
  child = SamplerProcess.serve()
  const listening = await child.logged('listening')
  grpc = String(listening.grpc)
  expect(grpc).toMatch(/^127\.0\.0\.1:[1-9]\d*$/)
  expect((await fetch(`http://${listening.http}/readyz`)).status).toBe(200)
  stubs = new SamplerStubs(grpc)
})
afterEach(async () => {
  stubs.close()
  await child.kill()
})

/** The texts of the log, in order. */
const texts = () => child.log.map(({ msg }) => msg)

test.each(['SIGTERM', 'SIGINT'] as const)('%s while idle exits 0', async (signal) => {
  child.signal(signal)
  expect(await child.ended).toMatchObject({ code: 0, stderr: '' })
  expect(texts()).toEqual(['listening', 'draining', 'stopped'])
})

test('SIGTERM drains: waits and streams end with UNAVAILABLE, health says NOT_SERVING, exit 0', async () => {
  await stubs.createRun('run', { sampleCount: 100, pruneRate: 0.5 })
  const { indices } = await stubs.plan({ runId: 'run' })
  const health = new HealthClient(grpc)
  const answers: string[] = []
  const watch = health.watch('keepset.v1.SamplerService')
  watch.on('data', ({ status }: HealthAnswer) => answers.push(status))
  const watched = refused(collect(watch))
  await vi.waitFor(() => expect(answers).toEqual(['SERVING']))
  const waiting = Array.from({ length: 12 }, (_, rank) =>
    refused(stubs.plan({ runId: 'run', epoch: 1, rank, worldSize: 13 })),
  )
  const stream = stubs.openReports()
  stream.send(
    ...indices.slice(0, 20).map((index, i) => lossReport({ runId: 'run', sequence: i + 1, indices: [index] })),
  )
  await stream.acknowledged(20)

  child.signal('SIGTERM')
  for (const refusal of await Promise.all(waiting)) expect(refusal).toMatchObject(DRAINING)
  expect(decodeRefusal(await stream.ended)).toMatchObject(DRAINING)
  expect(stream.acks.every(({ duplicate, observationCount }) => !duplicate && observationCount === 1)).toBe(true)
  expect((await watched).code).toBe('UNAVAILABLE')
  expect(answers).toEqual(['SERVING', 'NOT_SERVING'])
  expect((await refused(stubs.getRun('run'))).code).toBe('UNAVAILABLE')
  expect(await child.ended).toMatchObject({ code: 0, stderr: '' })
  expect(texts()).toEqual(['listening', 'run created', 'epoch planned', 'draining', 'stopped'])
  health.close()
})

test('logs a line a plan and a line a change of a run, none a report', async () => {
  await stubs.createRun('run', { sampleCount: 10, pruneRate: 0.5, selectionPeriod: 1 })
  for (const epoch of [0, 1]) {
    const plan = await stubs.plan({ runId: 'run', epoch })
    for (const [i, index] of plan.indices.entries()) {
      await stubs.report({ runId: 'run', epoch, sequence: i + 1, indices: [index] })
    }
    await stubs.plan({ runId: 'run', epoch })
  }
  await refused(stubs.report({ runId: 'run', epoch: 1, sequence: 99, indices: [0] }))
  await stubs.finishRun('run')
  await stubs.finishRun('run')
  await stubs.deleteRun('run')
  child.signal('SIGTERM')
  expect((await child.ended).code).toBe(0)
  const lines = child.log.slice(1, -2)
  expect(lines).toMatchObject([
    { msg: 'run created', runId: 'run', sampleCount: 10, pruneRate: 0.5, policy: 'random' },
    { msg: 'epoch planned', runId: 'run', epoch: 0, reason: 'warmup', keptCount: 10, worldSize: 1, saving: 0 },
    { msg: 'epoch planned', runId: 'run', epoch: 1, reason: 'selected', keptCount: 5, worldSize: 1, saving: 0.25 },
    { msg: 'run finished', runId: 'run', saving: 0.25, reports: 15, observations: 15 },
    { msg: 'run deleted', runId: 'run' },
  ])
})
