import { Run, RunState } from '@keepset/proto'
import { specToWire } from '../mapping.js'
import { full } from '../policies.js'
import type { CreateRunOptions } from '../run-settings.js'

/** A run as a sampler tells of it, but for what is `given`. */
export function wireRun(
  runId: string,
  given: Parameters<typeof Run.fromPartial>[0] = {},
  settings: Partial<CreateRunOptions> = {},
): Run {
  const time = { seconds: 0n, nanos: 0 }
  const defaults = { selectionPeriod: 10, warmupEpochs: 1, tailEpochs: 0, positionMultiple: 1, scoreLeftOut: false }
  return Run.fromPartial({
    runId,
    spec: specToWire({ sampleCount: 1, policy: full(), ...defaults, ...settings }),
    state: RunState.RUN_STATE_ACTIVE,
    progress: {},
    createTime: time,
    updateTime: time,
    generation: 1,
    epochStarts: [0],
    ...given,
  })
}
