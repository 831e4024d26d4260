import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { positionCount } from '../../services/sampler/src/core/plans/sharding.js'
import { rankPositions } from '../../services/sampler/src/core/plans/testing/rank-positions.js'
import { readRunSpec } from '../../services/sampler/src/grpc/mapping.js'
import { RunRegistry } from '../../services/sampler/src/runs/run-registry.js'
import { ownerParts } from '../../services/sampler/src/runs/testing/owner-parts.js'
import { scorePositions } from '../../services/sampler/src/runs/testing/score-positions.js'
import { testLimits } from '../../services/sampler/src/runs/testing/test-limits.js'
import { MemoryStore } from '../../services/sampler/src/store/memory/memory-store.js'
import { type LossJson, VECTORS, type Vector, type VectorEpoch, type VectorReport } from './make-vectors.mjs'
import { parseSpec } from './parse-spec.js'

const parseValues = (values: readonly LossJson[]) => Float32Array.from(values, Number)
const allOne = (order: Uint32Array) => Array<number>(order.length).fill(1)
const digestOf = (indices: Uint32Array) => createHash('sha256').update(indices).digest('hex')

const openRegistry = (store: MemoryStore) =>
  RunRegistry.open(store, testLimits({ maxSamples: 2_000_000 }), ownerParts())

function expectIndices(actual: Uint32Array, indices: number[] | undefined, digest: string | undefined): void {
  if (indices) expect([...actual]).toEqual(indices)
  else expect(digestOf(actual)).toBe(digest)
}

/** The weights of a kept set in ascending order, from those of its order. */
function byIndex(weights: Float32Array | undefined, order: Uint32Array): number[] | undefined {
  const weightOf = new Map(Array.from(order, (index, place) => [index, weights?.[place]]))
  return weights && Array.from(order.slice().sort(), (index) => weightOf.get(index) as number)
}

function parseMetrics({ metrics }: VectorReport) {
  if (!metrics) return {}
  return { metrics: Object.entries(metrics).map(([name, values]) => ({ name, values: parseValues(values) })) }
}

describe.each(readdirSync(VECTORS).filter((name) => name.endsWith('.json')))('%s', (name) => {
  it.each([
    ['in one life', false],
    ['read back from its record before every epoch', true],
  ])('gives the same plans and statistics, bit for bit, %s', async (_, restarts) => {
    const vector: Vector = JSON.parse(readFileSync(join(VECTORS, name), 'utf8'))
    const store = new MemoryStore({ epochStarts: 0 })
    let runs = await openRegistry(store)
    await runs.create('vector', readRunSpec(parseSpec(vector.spec)))
    const { signal } = new AbortController()
    let before: VectorEpoch | undefined

    for (const vectorEpoch of vector.epochs) {
      if (restarts) runs = await openRegistry(store)
      const owner = await runs.owner('vector')
      const { epoch, worldSize, expected, reports } = vectorEpoch
      const lastSequence = (rank: number) => before?.reports.filter((report) => report.rank === rank).length ?? 0
      const plans = await Promise.all(
        Array.from({ length: worldSize }, (_, rank) => {
          const request = { generation: 0, epoch, rank, worldSize, lastSequence: lastSequence(rank), startPosition: 0 }
          return owner.planEpoch(request, Number.POSITIVE_INFINITY, signal)
        }),
      )
      for (const plan of plans) {
        expect(plan.reason.toUpperCase()).toBe(expected.reason)
        expect(plan.selectionEpoch).toBe(expected.selectionEpoch)
        expect(plan.order.length).toBe(expected.keptCount)
        expect(plan.saving).toBe(expected.saving)
        expect(plan.digest.toString('hex')).toBe(expected.digest)
        expectIndices(plan.order.slice().sort(), expected.keptSet, expected.keptSetDigest)
        expectIndices(plan.order, expected.order, expected.digest)
        expect(byIndex(plan.weights, plan.order) ?? allOne(plan.order)).toEqual(expected.weights ?? allOne(plan.order))
        expect(plan.learningRateFactor).toBe(expected.learningRateFactor ?? 1)
        for (const { rank, positionCount: positions, positions: indices, positionsDigest } of expected.ranks) {
          expect(positionCount(plan.order.length, plan.sharding)).toBe(positions)
          expectIndices(rankPositions(plan.order, rank, plan.sharding, 0, positions), indices, positionsDigest)
        }
      }
      for (let rank = 0; rank < worldSize; rank++) {
        const request = { generation: 0, epoch, rank, worldSize, lastSequence: 0, startPosition: 0 }
        const plan = await owner.planScoring(request)
        const positions = scorePositions(plan, rank)
        expect([...positions]).toEqual(expected.scoring?.[rank] ?? [])
      }
      for (const report of reports) {
        const { rank, sequence } = report
        const indices = Uint32Array.from(report.sampleIndices)
        const losses = parseValues(report.losses)
        await owner.report({ generation: 0, epoch, rank, sequence, indices, losses, ...parseMetrics(report) })
      }
      before = vectorEpoch
    }

    const { run } = await runs.owner('vector')
    expect(run.progress).toMatchObject(vector.progress)
    vector.statistics?.forEach(({ mean, variance, seen }, i) => {
      expect(run.statistics.mean[i]).toBe(mean)
      expect(run.statistics.variance[i]).toBe(variance)
      expect((run.statistics.observations[i] as number) > 0).toBe(seen)
    })
  })
})
