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
 * Creates the run of a new training. For a checkpoint, finds its run again and takes it back to the start of the epoch at which the
 * checkpoint goes on, whatever the run did since: a trainer that still goes on from an earlier start is shut out. Where the checkpoint
 * has all epochs behind it, the run stays as it is.
 *
 * @throws {CheckpointError} if the sampler does not have the checkpoint's run, or no longer the start of that epoch
 */
export async function openRun(
  client: Client,
  settings: CreateRunOptions,
  checkpoint: Checkpoint | undefined,
): Promise<Run> {
  if (!checkpoint) return client.createRun(settings)
  try {
    const problem = whyNotThere(await client.getRun(checkpoint.runId), checkpoint)
    // The run is there, so this creates none; it refuses one of the same name with other settings.
    const run = await client.createRun(settings)
    if (problem !== undefined) throw new CheckpointError(problem)
    if (isUnfinished(checkpoint)) await run.rewind(checkpoint.nextEpoch)
    return run
  } catch (error) {
    if (error instanceof RunNotFoundError) throw new CheckpointError(notThere(checkpoint), { cause: error })
    if (error instanceof RunExistsError) {
      throw new CheckpointError(
        `The sampler's run ${checkpoint.runId} is another one, with other settings: ${startAnew}, and with another --run-id.`,
        { cause: error },
      )
    }
    throw error
  }
}

const startAnew = 'the training must start anew, without --resume, in another folder or with the checkpoint removed'

function isUnfinished({ nextEpoch, settings }: Checkpoint): boolean {
  return nextEpoch < settings.epochs
}

function notThere(checkpoint: Checkpoint): string {
  const there = `The sampler does not have the run ${checkpoint.runId}`
  if (!isUnfinished(checkpoint)) return `${there}, but all of its epochs are trained: the checkpoint has the weights.`
  return (
    `${there}: with --store memory it loses its runs when its process ends, with --store file it has those of its --data-dir. ` +
    `Start it with the --data-dir that it had; where the run is lost, ${startAnew}.`
  )
}

/** Why the run cannot go back to where the checkpoint goes on; undefined if it can, or need not. */
function whyNotThere({ runId, nextEpoch, epochStarts }: RunInfo, checkpoint: Checkpoint): string | undefined {
  const wanted = checkpoint.nextEpoch
  if (!isUnfinished(checkpoint) || epochStarts.includes(wanted)) return undefined
  const there = `The checkpoint goes on at epoch ${wanted}, and the sampler's run ${runId}`
  const remedy = `Put back a checkpoint that goes on at one of these, or else ${startAnew}, and with another --run-id.`
  return wanted > nextEpoch
    ? `${there} has come no further than the start of epoch ${nextEpoch}; it can go on at ${inWords(epochStarts)}. ${remedy}`
    : `${there} can only go back to the start of ${inWords(epochStarts)}. ${remedy} The sampler keeps as many starts as its --epoch-starts says.`
}

function inWords(epochs: readonly number[]): string {
  const list = new Intl.ListFormat('en-GB', { type: 'conjunction' }).format(epochs.map(String))
  return `${epochs.length === 1 ? 'epoch' : 'epochs'} ${list}`
}
