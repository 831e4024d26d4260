import type { EpochRecord, MetricsRecord, StartRecord, SummaryRecord } from '@keepset/trainer'
import type { ArmResult, PolicyName } from './arm.js'

/** What one trainer's records say; what compares the arms comes with the report. */
export type ArmFigures = Omit<ArmResult, 'speedUp' | 'speedUpBound'>

function isOf<T extends MetricsRecord>(type: T['type']) {
  return (record: MetricsRecord): record is T => record.type === type
}

/**
 * An arm's figures out of the metrics that its trainer wrote.
 *
 * @param lines JSON lines of a whole training
 * @throws {Error} if the training's start or end is missing
 */
export function readResult(policy: PolicyName, lines: string): ArmFigures {
  const records = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as MetricsRecord)
  const start = records.find(isOf<StartRecord>('start'))
  const summary = records.find(isOf<SummaryRecord>('summary'))
  if (!start || !summary) throw new Error(`the metrics of ${policy} are not complete`)
  const seconds = summary.seconds.total - summary.seconds.evaluate
  return {
    policy,
    backend: start.backend,
    backendReason: start.backendReason,
    settings: start.settings,
    parameterCount: start.parameterCount,
    trainCount: start.trainCount,
    testCount: start.testCount,
    testAccuracy: summary.testAccuracy,
    samplesTrained: summary.samplesTrained,
    seconds,
    samplerSeconds: summary.seconds.sampler,
    imagesPerSecond: summary.samplesTrained / seconds,
    saving: summary.saving,
    curve: records.filter(isOf<EpochRecord>('epoch')).map(({ secondsSoFar, samplesTrained, testAccuracy }) => ({
      seconds: secondsSoFar.total - secondsSoFar.evaluate,
      samplesTrained,
      testAccuracy,
    })),
  }
}
