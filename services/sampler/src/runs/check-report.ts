import { checkGeneration } from './check-generation.js'
import type { Plan } from './plan.js'
import type { Run } from './run.js'
import { invalidField, RunError } from './run-error.js'
import type { LossesReported } from './run-event.js'

/** A report as it came, its arrays decoded. */
export interface Report {
  /** The life of the run that the sender knows; 0 = not stated. */
  readonly generation: number
  readonly epoch: number
  readonly rank: number
  /** 1, 2, 3, … within epoch and rank. */
  readonly sequence: number
  readonly indices: Uint32Array
  readonly losses: Float32Array
  /** Absent where it has none. */
  readonly metrics?: readonly { readonly name: string; readonly values: Float32Array }[]
}

function checkEpochAndRank(run: Run, { epoch, rank }: Report): void {
  const { plan } = run
  if (!plan || epoch !== plan.epoch) {
    const expected = plan
      ? `reports are taken for epoch ${plan.epoch}`
      : 'no epoch has a plan yet; call PlanEpoch first'
    throw new RunError('WRONG_EPOCH', run.runId, `epoch is ${epoch}, but ${expected}`)
  }
  const { worldSize } = plan.sharding
  if (rank >= worldSize) {
    throw invalidField(
      'rank',
      `rank is ${rank}; epoch ${epoch} was planned for world size ${worldSize}, ranks 0 to ${worldSize - 1}`,
    )
  }
}

function checkSequence(run: Run, { epoch, rank, sequence }: Report): void {
  const expected = run.lastSequence(epoch, rank) + 1
  if (sequence === expected) return
  const message = `sequence is ${sequence}, but the next report of rank ${rank} in epoch ${epoch} is ${expected}; send the reports between them first`
  throw new RunError('SEQUENCE_GAP', run.runId, message)
}

function checkArrays(run: Run, { epoch, rank, indices, losses }: Report): void {
  const { spec } = run
  const plan = run.plan as Plan
  if (indices.length === 0) throw invalidField('sample_indices', 'sample_indices is empty; report at least one sample')
  const isBatchLoss = spec.scoreSource === 'batch_loss'
  if (losses.length !== (isBatchLoss ? 1 : indices.length)) {
    const problem = isBatchLoss
      ? `losses has ${losses.length} elements; with spec.score_source BATCH_LOSS it must have one, the mean of the batch`
      : `losses has ${losses.length} elements and sample_indices has ${indices.length}; they must have the same number`
    throw invalidField('losses', problem)
  }
  const foreign = plan.findForeign(indices, rank)
  if (foreign >= 0) throw foreignSample(run, indices[foreign] as number, foreign, { epoch, rank })
  const wrong = spec.nonFinite === 'reject' ? losses.findIndex((loss) => !Number.isFinite(loss)) : -1
  if (wrong >= 0) {
    throw invalidField(
      'losses',
      `losses[${wrong}], of sample ${indices[wrong]}, is ${losses[wrong]}; this run refuses losses that are not finite (non_finite = REJECT)`,
    )
  }
}

function foreignSample(
  { spec }: Run,
  index: number,
  i: number,
  { epoch, rank }: Pick<Report, 'epoch' | 'rank'>,
): RunError {
  const problem =
    index >= spec.sampleCount
      ? `the run has samples 0 to ${spec.sampleCount - 1}`
      : `which is not in the plan of rank ${rank} for epoch ${epoch}; report only samples of that plan`
  const separator = index >= spec.sampleCount ? ';' : ','
  return invalidField('sample_indices', `sample_indices[${i}] is ${index}${separator} ${problem}`)
}

function checkMetrics({ spec }: Run, { indices, metrics = [] }: Report): void {
  metrics.forEach(({ name, values }, i) => {
    const field = `report.metrics[${i}]`
    if (!spec.metrics.includes(name)) {
      const known = spec.metrics.length > 0 ? `has the metrics ${spec.metrics.join(', ')}` : 'has no metrics'
      const shown = JSON.stringify(name.slice(0, 100))
      throw invalidField(`${field}.name`, `${field}.name is ${shown}; the run ${known} (spec.metrics)`)
    }
    const first = metrics.findIndex((other) => other.name === name)
    if (first < i) {
      throw invalidField(
        `${field}.name`,
        `${field}.name is "${name}", as report.metrics[${first}].name is; report each metric once`,
      )
    }
    if (values.length !== indices.length) {
      throw invalidField(
        `${field}.values`,
        `${field}.values, of "${name}", has ${values.length} elements and sample_indices has ${indices.length}; they must have the same number`,
      )
    }
  })
}

/**
 * Whether a report is to be applied, or was before ("duplicate": same epoch, rank and sequence).
 * Throws a RunError for one that is to be refused. Changes nothing.
 */
export function checkReport(run: Run, report: Report): 'new' | 'duplicate' {
  const { epoch, rank, sequence } = report
  checkGeneration(run, report.generation)
  if (sequence === 0) throw invalidField('sequence', 'sequence is 0; reports of an epoch and rank are numbered from 1')
  if (sequence <= run.lastSequence(epoch, rank)) return 'duplicate'
  if (run.isFinished) {
    throw new RunError(
      'RUN_FINISHED',
      run.runId,
      `run "${run.runId}" is finished and takes no more reports; take another run_id, or delete the run`,
    )
  }
  checkEpochAndRank(run, report)
  checkSequence(run, report)
  checkArrays(run, report)
  checkMetrics(run, report)
  return 'new'
}

/** The event of a report that was checked and is new. */
export function toEvent({ generation, metrics, ...report }: Report, { spec }: Run, time: number): LossesReported {
  const { indices, losses } = report
  const isBatchLoss = spec.scoreSource === 'batch_loss'
  const each = isBatchLoss ? new Float32Array(indices.length).fill(losses[0] as number) : losses
  const event = { type: 'losses_reported', time, ...report, losses: each } as const
  if (!metrics) return event
  const placed = metrics.map(({ name, values }) => ({ metric: spec.metrics.indexOf(name), values }))
  return { ...event, metrics: placed.sort((a, b) => a.metric - b.metric) }
}
