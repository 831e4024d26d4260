import {
  type Client,
  type CreateRunOptions,
  type Run,
  RunExistsError,
  type RunInfo,
  RunNotFoundError,
} from '@keepset/client'
import { type Checkpoint, CheckpointError } from './checkpoint.js'

/**
 * Creates the run of a new training; finds that of a checkpoint again, which must stand where the checkpoint goes on.
 *
 * @throws {CheckpointError} if the sampler no longer has the checkpoint's run, or it is not as the checkpoint left it
 */
export async function openRun(
  client: Client,
  settings: CreateRunOptions,
  checkpoint: Checkpoint | undefined,
): Promise<Run> {
  if (!checkpoint) return client.createRun(settings)
  try {
    const problem = whyNotThere(await client.getRun(checkpoint.runId), checkpoint)
    if (problem !== undefined) throw cannotGoOn(problem, besideTaken)
    // The run is there, so this creates none; it refuses one of the same name with other settings.
    return await client.createRun(settings)
  } catch (error) {
    if (error instanceof RunNotFoundError) {
      throw cannotGoOn(
        `The sampler no longer has the run ${checkpoint.runId}: runs in a sampler's memory end with its process`,
        '',
        error,
      )
    }
    if (error instanceof RunExistsError) {
      throw cannotGoOn(`The sampler's run ${checkpoint.runId} is another one, with other settings`, besideTaken, error)
    }
    throw error
  }
}

/** Why the run cannot give the plan at which the checkpoint goes on; undefined if it can. */
function whyNotThere({ runId, state, nextEpoch }: RunInfo, checkpoint: Checkpoint): string | undefined {
  const wanted = checkpoint.nextEpoch
  if (nextEpoch !== wanted && nextEpoch !== wanted + 1) {
    return `The sampler's run ${runId} is at epoch ${nextEpoch}, the checkpoint at epoch ${wanted}: they have parted`
  }
  return state === 'finished' && wanted < checkpoint.settings.epochs
    ? `The sampler's run ${runId} was finished before its training was`
    : undefined
}

/** What a new training needs too where the run's name is taken. */
const besideTaken = ', and with another --run-id'

function cannotGoOn(problem: string, more: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    `${problem}. The training must start anew, without --resume, in another folder or with the checkpoint removed${more}.`,
    { cause },
  )
}
