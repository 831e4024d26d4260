import { RunServiceService } from '@keepset/proto'
import { afterEach, expect, test } from 'vitest'
import { ask } from '../../../../test/support/calls.js'
import { SamplerStubs } from '../../../../test/support/test-sampler.js'
import { runFacts } from './testing/run-facts.js'
import { serveRegistry, stopServers } from './testing/served-registry.js'

afterEach(stopServers)

test('tells the generation of a run, the epoch starts that it keeps and its selections', async () => {
  const { stubs } = await serveRegistry(SamplerStubs, { read: async (runId) => runFacts(runId) })
  const run = await stubs.getRun('run')
  expect(run).toMatchObject({ runId: 'run', generation: 2, epochStarts: [0, 3, 4], nextEpoch: 4 })
  expect(run.progress).toMatchObject({ selections: 3, reports: 5n })
})

test('rewinds to an epoch and out of a generation, and answers the run as it is then', async () => {
  const asked: unknown[] = []
  const { stubs } = await serveRegistry(SamplerStubs, {
    rewind: async (...args) => {
      asked.push(args)
      return runFacts('run', 10, { generation: 7 })
    },
  })
  const { run } = await ask(stubs.runs, RunServiceService.rewindRun, { runId: 'run', epoch: 3, generation: 6 })
  expect(run?.generation).toBe(7)
  expect(asked).toEqual([['run', 3, 6]])
})

test.each([
  { runs: ['a', 'c'], damaged: ['b'], last: 'c' },
  { runs: ['a', 'b'], damaged: ['c'], last: 'c' },
  { runs: [], damaged: ['a', 'b'], last: 'b' },
])('a page of $runs and, damaged, $damaged is followed by what comes after $last', async ({ runs, damaged, last }) => {
  const asked: string[] = []
  const { stubs } = await serveRegistry(SamplerStubs, {
    list: async (_, after) => {
      asked.push(after)
      return { runs: runs.map((runId) => runFacts(runId)), damaged, last, hasMore: asked.length === 1 }
    },
  })
  const list = (pageToken: string) => ask(stubs.runs, RunServiceService.listRuns, { pageSize: 0, pageToken })
  const page = await list('')
  expect(page.runs.map(({ runId }) => runId)).toEqual(runs)
  expect(page.damagedRunIds).toEqual(damaged)
  expect((await list(page.nextPageToken)).nextPageToken).toBe('')
  expect(asked).toEqual(['', last])
})
