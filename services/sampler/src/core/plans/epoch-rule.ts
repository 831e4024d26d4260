import { keptCount } from '../share.js'

/** Why the kept set of an epoch is what it is. */
export type PlanReason = 'warmup' | 'selected' | 'reused' | 'tail'

/** A prune rate from an epoch on. */
export interface PruneRateChange {
  readonly fromEpoch: number
  readonly pruneRate: number
}

/** The settings that decide when a run selects and how much it keeps. */
export interface EpochSettings {
  readonly sampleCount: number
  readonly pruneRate: number
  /** fromEpoch rising. */
  readonly pruneRateSchedule: readonly PruneRateChange[]
  readonly totalEpochs: number | undefined
  readonly selectionPeriod: number
  readonly warmupEpochs: number
  readonly tailEpochs: number
}

/** The prune rate that holds at an epoch. */
function pruneRateAt(settings: EpochSettings, epoch: number): number {
  const change = settings.pruneRateSchedule.findLast(({ fromEpoch }) => fromEpoch <= epoch)
  return change?.pruneRate ?? settings.pruneRate
}

/** What an epoch trains on: everything, a new selection of `keptCount` samples, or the kept set of the last selection. */
export function ruleOfEpoch(settings: EpochSettings, epoch: number): { reason: PlanReason; keptCount: number } {
  const { sampleCount, totalEpochs, warmupEpochs, tailEpochs, selectionPeriod } = settings
  if (epoch < warmupEpochs) return { reason: 'warmup', keptCount: sampleCount }
  if (totalEpochs !== undefined && epoch >= totalEpochs - tailEpochs) return { reason: 'tail', keptCount: sampleCount }
  const pruneRate = pruneRateAt(settings, epoch)
  const isDue = (epoch - warmupEpochs) % selectionPeriod === 0 || pruneRate !== pruneRateAt(settings, epoch - 1)
  return { reason: isDue ? 'selected' : 'reused', keptCount: keptCount(pruneRate, sampleCount) }
}
