import type { ImageHeader } from './image/image-header.js'
import { type Run, type RunProgress, savingOf } from './run.js'
import type { RunSpec } from './run-spec.js'

/** What is told of a run, at one moment. */
export interface RunFacts {
  readonly runId: string
  readonly spec: RunSpec
  readonly createTime: number
  readonly updateTime: number
  readonly isFinished: boolean
  /** The epoch that has no plan yet. */
  readonly nextEpoch: number
  /** The run's life: 1, and one more after each rewind. */
  readonly generation: number
  /** Epochs to whose start the run can go back, rising; the first is 0, the last is nextEpoch. */
  readonly epochStarts: readonly number[]
  /** Share of the data set left out so far. */
  readonly saving: number
  readonly progress: Readonly<RunProgress>
}

/** The facts of a run whose record keeps these epoch starts. */
export function factsOf(run: Run, keptStarts: readonly number[]): RunFacts {
  const { runId, spec, createTime, updateTime, isFinished, nextEpoch, generation, saving } = run
  const epochStarts = startsOf(nextEpoch, keptStarts)
  const progress = { ...run.progress }
  return { runId, spec, createTime, updateTime, isFinished, nextEpoch, generation, epochStarts, saving, progress }
}

/** The facts of a run of which only the header of an image was read. */
export function factsOfHeader(
  { runId, spec, createTime, state }: ImageHeader,
  keptStarts: readonly number[],
): RunFacts {
  const { progress, updateTime, isFinished, generation } = state
  const nextEpoch = progress.epochsPlanned
  const saving = savingOf(progress, spec.sampleCount)
  const epochStarts = startsOf(nextEpoch, keptStarts)
  return { runId, spec, createTime, updateTime, isFinished, nextEpoch, generation, epochStarts, saving, progress }
}

/** The start of epoch 0 needs nothing that is kept, and the present state is the start of the next epoch as long as that has no plan. */
function startsOf(nextEpoch: number, keptStarts: readonly number[]): number[] {
  return [...new Set([0, ...keptStarts.filter((epoch) => epoch < nextEpoch), nextEpoch])]
}
