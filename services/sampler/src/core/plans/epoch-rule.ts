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
  /** Whether what is left out is scored before a selection. */
  readonly scoreLeftOut: boolean
}

/** The prune rate that holds at an epoch. */
function pruneRateAt(settings: EpochSettings, epoch: number): number {
  const change = settings.pruneRateSchedule.findLast(({ fromEpoch }) => fromEpoch <= epoch)
  return change?.pruneRate ?? settings.pruneRate
}

/** What an epoch trains on, by the settings alone. */
export interface EpochRule {
  readonly reason: PlanReason
  /** By the prune rate, unless the epoch trains on everything. */
  readonly keptCount: number
  readonly pruneRate: number
}

/** What an epoch trains on: everything, a new selection of `keptCount` samples, or the kept set of the last selection. */
export function ruleOfEpoch(settings: EpochSettings, epoch: number): EpochRule {
  const { sampleCount, totalEpochs, warmupEpochs, tailEpochs, selectionPeriod } = settings
  const pruneRate = pruneRateAt(settings, epoch)
  if (epoch < warmupEpochs) return { reason: 'warmup', keptCount: sampleCount, pruneRate }
  if (totalEpochs !== undefined && epoch >= totalEpochs - tailEpochs)
    return { reason: 'tail', keptCount: sampleCount, pruneRate }
  const isDue = (epoch - warmupEpochs) % selectionPeriod === 0 || pruneRate !== pruneRateAt(settings, epoch - 1)
  return { reason: isDue ? 'selected' : 'reused', keptCount: keptCount(pruneRate, sampleCount), pruneRate }
}

/** Whether an epoch trains on everything, whatever the policy says. */
export function isEverything(reason: PlanReason): boolean {
  return reason === 'warmup' || reason === 'tail'
}

/** Whether what an epoch leaves out is scored after it: only where the next epoch selects is there anyone to look at the losses. */
export function isScored(settings: EpochSettings, epoch: number): boolean {
  const { totalEpochs, scoreLeftOut } = settings
  if (!scoreLeftOut || isEverything(ruleOfEpoch(settings, epoch).reason)) return false
  return epoch + 1 !== totalEpochs && ruleOfEpoch(settings, epoch + 1).reason === 'selected'
}
