import { strictEqual } from 'node:assert/strict'
import { type Client, connect } from '@keepset/client'
import { eachRank, PLAN_TIMEOUT_MS, planRest, type Training, trainPlan, trainRank, type Witness } from './training.js'

const PATIENCE = { callTimeoutMs: 120_000, giveUpAfterMs: 240_000 }

/**
 * Reports that may be on their way: few, so that a report that was handed over is not far from being acknowledged, and kills that are
 * counted in reports fall into the middle of the work.
 */
const QUEUE_LIMIT = 8

/** A trainer of all ranks of a run; it ends when every report is acknowledged. */
export type Trainer = (address: string, training: Training, witness: Witness) => Promise<void>

/** Hands out a client that waits for a sampler that is killed several times in a row; closes it in the end, or when `signal` is aborted. */
export async function withClient(
  address: string,
  signal: AbortSignal,
  action: (client: Client) => Promise<void>,
): Promise<void> {
  const client = connect(address, { ...PATIENCE, reportQueueLimit: QUEUE_LIMIT })
  const close = () => client.close()
  signal.addEventListener('abort', close)
  try {
    signal.throwIfAborted()
    await action(client)
  } finally {
    signal.removeEventListener('abort', close)
    close()
  }
}

/** Trains from the first epoch to the last; each rank has a Run object of its own. */
export const trainSteadily: Trainer = (address, training, witness) =>
  withClient(address, witness.signal, async (client) => {
    await eachRank(training, async (rank) => {
      const run = await client.createRun(training.settings)
      await trainRank(run, rank, training, witness)
      await run.flush()
      strictEqual(run.duplicateReports, 0, 'reports that were sent once only were known to the sampler')
    })
  })

/** A whole number from 0 to below. */
type Draw = (below: number) => number

const drawFrom =
  (random: () => number): Draw =>
  (below) =>
    Math.floor(random() * below)

/** Batches of an epoch that is left off in its middle. */
const MAX_BATCHES = 10

/** Leaves off in the middle of an epoch, `rewinds` times, rewinds to a start that is kept, and trains on; one Run object serves all ranks. */
export function rewinding(rewinds: number, random: () => number): Trainer {
  const draw = drawFrom(random)
  return (address, training, witness) =>
    withClient(address, witness.signal, async (client) => {
      const run = await client.createRun(training.settings)
      const { epochs } = training.settings
      let from = 0
      for (let left = rewinds; left > 0; left--) {
        const last = from + draw(epochs - from)
        await eachRank(training, async (rank) => {
          await trainRank(run, rank, training, witness, { from, to: last })
          witness.tick()
          const plan = await run.planEpoch(last, { rank, worldSize: training.worldSize, timeoutMs: PLAN_TIMEOUT_MS })
          await trainPlan(plan, training, witness, 1 + draw(MAX_BATCHES))
        })
        // The start of the last epoch counts, too, when its snapshot is still being written.
        const starts = [...(await run.info()).epochStarts.filter((epoch) => epoch < last), last]
        from = starts[draw(starts.length)] as number
        witness.tick()
        await run.rewind(from)
      }
      await eachRank(training, (rank) => trainRank(run, rank, training, witness, { from, to: epochs }))
      await run.flush()
    })
}

/**
 * A trainer of one rank that dies in the middle of some epochs, `deaths` at most, with reports on their way, and goes on in a new client
 * after the last report that the sampler has.
 */
export function dying(deaths: number, random: () => number): Trainer {
  const draw = drawFrom(random)
  return async (address, training, witness) => {
    const { epochs } = training.settings
    const deathEpochs = new Set(Array.from({ length: deaths }, () => draw(epochs)))
    let at = 0
    for (const deathEpoch of [...deathEpochs].sort((a, b) => a - b)) {
      await withClient(address, witness.signal, async (client) => {
        const run = await client.createRun(training.settings)
        await trainRank(run, 0, training, witness, { from: at, to: deathEpoch })
        const plan = await planRest(run, deathEpoch, 0, training)
        await trainPlan(plan, training, witness, 1 + draw(2 * MAX_BATCHES))
        at = deathEpoch
      })
    }
    await withClient(address, witness.signal, async (client) => {
      const run = await client.createRun(training.settings)
      await trainRank(run, 0, training, witness, { from: at, to: epochs })
      await run.flush()
    })
  }
}
