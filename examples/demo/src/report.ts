import { cpus, totalmem } from 'node:os'
import type { ArmResult, DemoSettings } from './arm.js'

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
export function makeReport(settings: DemoSettings, results: readonly Omit<ArmResult, 'speedUp'>[]): Report {
  const baseline = results[0]?.seconds ?? 0
  return {
    time: new Date().toISOString(),
    machine: {
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    settings,
    arms: results.map((result) => ({ ...result, speedUp: baseline / result.seconds })),
  }
}

/** What the figures mean and what they rest on, a sentence a line. */
export function explain({ settings, machine, arms }: Report): string[] {
  const arm = arms[0]
  return [
    `${settings.model} with ${arm?.parameterCount.toLocaleString('en')} parameters on ${arm?.trainCount.toLocaleString('en')} training and ${arm?.testCount.toLocaleString('en')} test images, ${settings.epochs} epochs, prune rate ${settings.pruneRate} (0 for full).`,
    `Same first weights, seed ${settings.seed}, batch size ${settings.batchSize} and learning-rate schedule for all; one run each, so differences of a point or less are noise.`,
    'Time is that of training and sampler, the wait for plans and reports included; the evaluation after each epoch, the same for all, is left out.',
    'Saving is the share of the data set that was left out over all epochs, the full first epoch included.',
    `Backend ${arm?.backend} (${arm?.backendReason}); ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}.`,
  ]
}
