/**
 * Trains one rank of a run, as a trainer that keeps no checkpoint: started anew, it goes on after the last report that the sampler has.
 * Its argument is a {@link TrainerTask} as JSON. Writes each {@link TrainerLine} as a line of JSON.
 */

import { withClient } from './trainers.js'
import { trainRank } from './training.js'
import type { TrainerLine, TrainerTask } from './training-in-processes.js'

const { address, training, rank } = JSON.parse(String(process.argv[2])) as TrainerTask

function say(line: TrainerLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const { signal } = new AbortController()

await withClient(address, signal, async (client) => {
  const run = await client.createRun(training.settings)
  const { nextEpoch } = await run.info()
  const span = { from: Math.max(0, nextEpoch - 1), to: training.settings.epochs }
  const notes = {
    noteDigest: ({ epoch }: { epoch: number }, value: string) => say({ note: 'digest', epoch, value }),
    noteOrder: ({ epoch }: { epoch: number }, value: string) => say({ note: 'order', epoch, value }),
  }
  await trainRank(run, rank, training, { notes, tick: () => say({ note: 'tick' }), signal }, span)
  await run.flush()
})
