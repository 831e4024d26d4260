import type { RunInfo } from '@keepset/client'
import { policySettings } from './policy-settings.js'

/** Of a command that prints text for people, or JSON for programs. */
export interface JsonOption {
  readonly json?: boolean
}

/** A run with the names of the contract. Every key is always there; null is "not known". The seed is text: a JSON number is exact up to 2^53 only. */
export function runToJson({ settings, progress, ...run }: RunInfo): object {
  return {
    run_id: run.runId,
    state: run.state,
    next_epoch: run.nextEpoch,
    generation: run.generation,
    epoch_starts: run.epochStarts,
    create_time: run.createTime.toISOString(),
    update_time: run.updateTime.toISOString(),
    spec: {
      sample_count: settings.sampleCount,
      policy: { name: settings.policy.kind, ...Object.fromEntries(policySettings(settings.policy)) },
      prune_rate: settings.pruneRate,
      prune_rate_schedule: settings.pruneRateSchedule.map(({ fromEpoch, pruneRate }) => ({
        from_epoch: fromEpoch,
        prune_rate: pruneRate,
      })),
      total_epochs: settings.epochs ?? null,
      seed: String(settings.seed),
      selection_period: settings.selectionPeriod,
      warmup_epochs: settings.warmupEpochs,
      tail_epochs: settings.tailEpochs,
      shard_mode: settings.shardMode,
      position_multiple: settings.positionMultiple,
      non_finite: settings.nonFinite,
      metrics: settings.metrics,
      weights: settings.weights,
      weight_cap: settings.weightCap ?? null,
      score_source: settings.scoreSource,
      batch_loss_momentum: settings.batchLossMomentum ?? null,
      score_left_out: settings.scoreLeftOut,
    },
    progress: {
      epochs_planned: progress.epochsPlanned,
      samples_planned: progress.samplesPlanned,
      selections: progress.selections,
      reports: progress.reports,
      observations: progress.observations,
      non_finite: progress.nonFinite,
      repeats: progress.repeats,
      scored: progress.scored,
      samples_planned_elsewhere: progress.samplesPlannedElsewhere,
      saving: progress.saving,
    },
  }
}

/** A run whose record is damaged, with the names of the contract. */
export function damagedRunToJson(runId: string): object {
  return { run_id: runId, state: 'damaged' }
}

/** One JSON document, for people to read too. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value, null, 2)
}
