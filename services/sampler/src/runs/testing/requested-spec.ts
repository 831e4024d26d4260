import type { RequestedRunSpec } from '../run-spec.js'

/** What a CreateRun for ucb at half of 10 samples asks for, but for what is `given`. */
export function requestedSpec(given: Partial<RequestedRunSpec> = {}): RequestedRunSpec {
  return {
    sampleCount: 10,
    seed: 0n,
    pruneRate: 0.5,
    pruneRateSchedule: [],
    totalEpochs: undefined,
    selectionPeriod: undefined,
    warmupEpochs: undefined,
    tailEpochs: 0,
    shardMode: 'pad',
    positionMultiple: undefined,
    nonFinite: 'ignore',
    metrics: [],
    weights: undefined,
    weightCap: undefined,
    scoreSource: 'loss',
    batchLossMomentum: undefined,
    scoreLeftOut: undefined,
    policy: { name: 'ucb', settings: {} },
    ...given,
  }
}
