import { IMPORTED_SCORE } from '../core/policies/static-score.js'
import { isSameSpec } from './check-same-spec.js'
import { ByteReader } from './image/byte-reader.js'
import { ImageError } from './image/image-error.js'
import { readImageBody, readImageHeader } from './image/read-image.js'
import { imageOf } from './image/write-image.js'
import type { ByteStream } from './ports.js'
import { emptyStatistics, Run } from './run.js'
import { columnNames } from './run-spec.js'
import { newState, type RunState } from './run-state.js'

/** The run as it was at the start of an epoch, in the generation after its present one. `image` is that of the epoch's start; undefined: the run stands there now. */
export async function rewoundRun(run: Run, image: ByteStream | undefined, epoch: number, time: number): Promise<Run> {
  const reader = new ByteReader(image ?? imageOf(run))
  try {
    const header = await readImageHeader(reader)
    if (header.runId !== run.runId || !isSameSpec(header.spec, run.spec)) {
      throw new ImageError(`it is of run "${header.runId}", or of one with other settings`)
    }
    const rewound = await readImageBody(reader, header, (read) => ({
      ...read,
      state: rewind(read.state, run.generation + 1, epoch, time),
    }))
    await reader.expectEnd()
    if (rewound.nextEpoch !== epoch) throw new ImageError(`it is of epoch ${rewound.nextEpoch} instead of ${epoch}`)
    return rewound
  } finally {
    await reader.close()
  }
}

/** The same for epoch 0, at whose start a run has its settings and, if it took scores from other runs, these, and nothing else. */
export function restartedRun(
  { runId, spec, createTime, generation, statistics: old, progress }: Run,
  time: number,
): Run {
  const created = { runId, spec, time: createTime }
  const { progress: none, ...state } = newState(createTime)
  const { samplesPlannedElsewhere } = progress
  const statistics = emptyStatistics(spec)
  const scores = columnNames(spec).indexOf(IMPORTED_SCORE)
  if (scores >= 0) statistics.metrics[scores]?.set(old.metrics[scores] as Float32Array)
  const start = { ...state, progress: { ...none, samplesPlannedElsewhere } }
  return new Run(created, { statistics, state: rewind(start, generation + 1, 0, time) })
}

function rewind(state: RunState, generation: number, epoch: number, time: number): RunState {
  return { ...state, generation, rewoundTo: epoch, isFinished: false, updateTime: time }
}
