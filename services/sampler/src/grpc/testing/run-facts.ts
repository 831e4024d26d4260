import type { RunFacts } from '../../runs/run-facts.js'
import { resolveRunSpec } from '../../runs/run-spec.js'
import { requestedSpec } from '../../runs/testing/requested-spec.js'

/** What is told of a run that has made three selections, but for what is `given`. */
export function runFacts(runId: string, sampleCount = 10, given: Partial<RunFacts> = {}): RunFacts {
  return {
    runId,
    spec: resolveRunSpec(requestedSpec({ sampleCount })),
    createTime: 0,
    updateTime: 1,
    isFinished: false,
    nextEpoch: 4,
    generation: 2,
    epochStarts: [0, 3, 4],
    saving: 0.25,
    progress: {
      epochsPlanned: 4,
      samplesPlanned: 30,
      selections: 3,
      reports: 5,
      observations: 20,
      nonFinite: 1,
      repeats: 2,
      scored: 0,
      samplesPlannedElsewhere: 0,
    },
    ...given,
  }
}
