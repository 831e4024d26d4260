import { readRunSpec } from '../../services/sampler/src/grpc/mapping.js'
import type { RunOwner } from '../../services/sampler/src/runs/run-owner.js'
import { RunRegistry } from '../../services/sampler/src/runs/run-registry.js'
import { ownerParts } from '../../services/sampler/src/runs/testing/owner-parts.js'
import { testLimits } from '../../services/sampler/src/runs/testing/test-limits.js'
import { MemoryStore } from '../../services/sampler/src/store/memory/memory-store.js'
import type { SpecJson } from './oracle.mjs'
import { parseSpec } from './parse-spec.js'

/** A run of the sampler with one rank, which reports an epoch at once. */
export class SamplerRun {
  readonly #owner: RunOwner
  #lastSequence = 0

  private constructor(owner: RunOwner) {
    this.#owner = owner
  }

  static async create(spec: SpecJson): Promise<SamplerRun> {
    const runs = await RunRegistry.open(new MemoryStore({ epochStarts: 0 }), testLimits(), ownerParts())
    await runs.create('run', readRunSpec(parseSpec(spec)))
    return new SamplerRun(await runs.owner('run'))
  }

  /** keptSet: ascending, weights: of it, in the same order. */
  async planEpoch(epoch: number): Promise<{ keptSet: number[]; order: number[]; weights: number[] }> {
    const request = {
      generation: 0,
      epoch,
      rank: 0,
      worldSize: 1,
      lastSequence: this.#lastSequence,
      startPosition: 0,
    }
    const { order, weights } = await this.#owner.planEpoch(request, Infinity, new AbortController().signal)
    this.#lastSequence = 0
    const keptSet = Array.from(order.slice().sort())
    const places = keptSet.map((index) => order.indexOf(index))
    return { keptSet, order: Array.from(order), weights: places.map((place) => weights?.[place] ?? 1) }
  }

  async report(
    epoch: number,
    sampleIndices: number[],
    losses: number[],
    metrics: Record<string, number[]>,
  ): Promise<void> {
    const columns = Object.entries(metrics).map(([name, values]) => ({ name, values: Float32Array.from(values) }))
    await this.#owner.report({
      generation: 0,
      epoch,
      rank: 0,
      sequence: 1,
      indices: Uint32Array.from(sampleIndices),
      losses: Float32Array.from(losses),
      ...(columns.length > 0 ? { metrics: columns } : {}),
    })
    this.#lastSequence = 1
  }
}
