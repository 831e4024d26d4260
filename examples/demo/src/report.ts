import { cpus, totalmem } from 'node:os'
import type { ArmResult, DemoSettings } from './arm.js'
import type { ArmFigures } from './read-result.js'

/** All figures of a demo: what demo-report.json holds and demo-report.html shows. */
export interface Report {
  /** ISO 8601, UTC. */
  readonly time: string
  readonly machine: {
    readonly processor: string
    readonly cores: number
    readonly memoryGiB: number
    readonly node: string
  }
  readonly settings: DemoSettings
  /** In the order of the training; `full` first. */
  readonly arms: readonly ArmResult[]
}

/** Puts the figures together; `full` is the first arm and the measure of every speed-up. */
export function makeReport(settings: DemoSettings, results: readonly ArmFigures[]): Report {
  const full = results[0]
  if (!full) throw new Error('a report needs an arm')
  return {
    time: new Date().toISOString(),
    machine: {
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    settings,
    arms: results.map((result) => ({
      ...result,
      speedUp: full.seconds / result.seconds,
      speedUpBound: full.samplesTrained / result.samplesTrained,
    })),
  }
}

/** By how much a speed-up may be above its bound before it is not believed: last batches are shorter than others. */
const TOLERANCE = 0.02

/** What the figures mean and what they rest on, a sentence or two a line; first, where the time is not to be trusted. */
export function explain({ settings, machine, arms }: Report): string[] {
  const arm = arms[0]
  const tooFast = arms.filter(({ speedUp, speedUpBound }) => speedUp > speedUpBound * (1 + TOLERANCE))
  const warning = `The speed-up of ${tooFast.map(({ policy }) => policy).join(', ')} is above what the samples allow: the machine's speed changed between the arms, so the time column is not to be trusted.`
  return [
    ...(tooFast.length > 0 ? [warning] : []),
    `${settings.model} with ${arm?.parameterCount.toLocaleString('en')} parameters on ${arm?.trainCount.toLocaleString('en')} training and ${arm?.testCount.toLocaleString('en')} test images, ${settings.epochs} epochs, prune rate ${settings.pruneRate} (0 for full).`,
    `Same first weights, seed ${settings.seed}, batch size ${settings.batchSize} and learning-rate schedule for all; one run each: run more seeds before you believe a difference.`,
    'The arms ran one after another, in the order of the table. Where images/s differ, so did the speed of the machine or the share of the sampler.',
    'A training step costs the same for all, so the speed-up is at most the samples of full over those of the arm: the last column.',
    'Time is that of training and sampler, the wait for plans and reports included; the evaluation after each epoch, the same for all, is left out.',
    'Saving is the share of the data set that was left out over all epochs, the full first epoch included.',
    `Backend ${arm?.backend} (${arm?.backendReason}); ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}.`,
  ]
}
