import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RunSpec as RunSpecMessage } from '@keepset/proto'
import { describe, expect, it } from 'vitest'
import { positionCount } from '../../services/sampler/src/core/plans/sharding.js'
import { rankPositions } from '../../services/sampler/src/core/plans/testing/rank-positions.js'
import { readRunSpec } from '../../services/sampler/src/grpc/mapping.js'
import { RunRegistry } from '../../services/sampler/src/runs/run-registry.js'
import { ownerParts } from '../../services/sampler/src/runs/testing/owner-parts.js'
import { testLimits } from '../../services/sampler/src/runs/testing/test-limits.js'
import { MemoryStore } from '../../services/sampler/src/store/memory/memory-store.js'
import { type LossJson, VECTORS, type Vector, type VectorEpoch } from './make-vectors.mjs'
import type { SpecJson } from './oracle.mjs'

const policyCases = ['full', 'staticRandom', 'random', 'epsilonGreedy', 'ucb', 'orderDp'] as const
const enumNumbers: Record<string, number> = {
  SHARD_MODE_PAD: 1,
  SHARD_MODE_DROP: 2,
  INITIAL_STATISTICS_FIRST_LOSS: 1,
  INITIAL_STATISTICS_ZERO: 2,
}

/** RunSpec from proto3 JSON: what protobuf libraries do themselves; ours is generated without its JSON side. */
function parseSpec({ seed, shardMode, ...json }: SpecJson): RunSpecMessage {
  const policyCase = policyCases.find((name) => json[name])
  const { initial, ...settings }: Record<string, unknown> = (policyCase && json[policyCase]) ?? {}
  return RunSpecMessage.fromPartial({
    ...json,
    seed: BigInt(seed ?? 0),
    shardMode: (shardMode ? enumNumbers[shardMode] : 0) as 0,
    policy: {
      $case: policyCase as 'ucb',
      value: { ...settings, initial: (initial ? enumNumbers[initial as string] : 0) as 0 },
    },
  })
}

const parseLosses = (losses: readonly LossJson[]) => Float32Array.from(losses, Number)
const digestOf = (indices: Uint32Array) => createHash('sha256').update(indices).digest('hex')

const openRegistry = (store: MemoryStore) =>
  RunRegistry.open(store, testLimits({ maxSamples: 2_000_000 }), ownerParts())

function expectIndices(actual: Uint32Array, indices: number[] | undefined, digest: string | undefined): void {
  if (indices) expect([...actual]).toEqual(indices)
  else expect(digestOf(actual)).toBe(digest)
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
        for (const { rank, positionCount: positions, positions: indices, positionsDigest } of expected.ranks) {
          expect(positionCount(plan.order.length, plan.sharding)).toBe(positions)
          expectIndices(rankPositions(plan.order, rank, plan.sharding, 0, positions), indices, positionsDigest)
        }
      }
      for (const { rank, sequence, sampleIndices, losses } of reports) {
        const indices = Uint32Array.from(sampleIndices)
        await owner.report({ generation: 0, epoch, rank, sequence, indices, losses: parseLosses(losses) })
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
