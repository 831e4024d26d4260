import { epsilonGreedy, random as randomPolicy, ucb } from '@keepset/client'
import { acknowledging } from './acknowledged-run.js'
import type { KillableSampler } from './killable-sampler.js'
import { dying, rewinding, type Trainer, trainSteadily } from './trainers.js'
import type { Training } from './training.js'
import { inProcesses } from './training-in-processes.js'

/** A training, and who does it. */
export interface Job {
  readonly training: Training
  readonly trainer: Trainer
}

/**
 * The load of a round: policies, world sizes and kinds of trainers mixed, all selecting at each epoch. One run is large enough for its
 * snapshots to be written in several pieces. Kept sets, orders and losses depend on the seed.
 */
export function jobs(sampler: KillableSampler, round: string, seed: number, random: () => number): Job[] {
  const metrics = ['correct', 'margin', 'entropy']
  const base = { selectionPeriod: 1, epochs: 8, pruneRate: 0.5 }
  const job = (
    name: string,
    trainer: Trainer,
    worldSize: number,
    batchSize: number,
    settings: Omit<Training['settings'], 'runId' | 'epochs'>,
  ): Job => {
    const runId = `${round}-${name}`
    return { trainer, training: { worldSize, batchSize, settings: { ...base, seed, ...settings, runId } } }
  }
  return [
    job('steady-ucb', trainSteadily, 1, 64, { sampleCount: 3000, policy: ucb() }),
    job('steady-epsilon-greedy', trainSteadily, 2, 32, {
      sampleCount: 2501,
      policy: epsilonGreedy({ epsilon: 0.2 }),
      pruneRate: 0.3,
      shardMode: 'drop',
      metrics: ['correct'],
    }),
    job('steady-random', trainSteadily, 3, 16, { sampleCount: 2000, policy: randomPolicy(), positionMultiple: 16 }),
    job('steady-large', trainSteadily, 2, 2048, { sampleCount: 150_000, policy: ucb({ initial: 'zero' }) }),
    job('acknowledged', acknowledging(sampler), 1, 32, { sampleCount: 2200, policy: ucb({ alpha: 0.5 }) }),
    job('rewinding', rewinding(4, random), 2, 32, { sampleCount: 1800, policy: epsilonGreedy(), metrics }),
    job('dying', dying(4, random), 1, 32, { sampleCount: 1500, policy: ucb({ c: 2 }), metrics }),
    job('in-processes', inProcesses(1, 120, random), 2, 32, { sampleCount: 1600, policy: ucb() }),
  ]
}
