import { checkInteger, type FieldViolation } from '../field-violation.js'
import { purpose } from '../random/random-stream.js'
import type { OwnColumns } from '../statistics/own-columns.js'
import { noSettings, type Policy } from './policy.js'

export type StaticMetric = 'forgetting' | 'el2n' | 'grand'

export interface StaticScoreSettings {
  readonly metric: StaticMetric
  /** First epochs that count, and that the warm-up has at least; 1 to 65,535. */
  readonly observeEpochs: number
  /** Runs whose scores are taken instead, their mean; at most 64, none by default. */
  readonly scoresFrom: readonly string[]
}

/** A score for each sample: its columns, and what it makes of them. NaN where nothing is known. */
interface Score {
  readonly metric: string
  readonly names: readonly string[]
  /** Takes in a reported value of the metric. */
  observe(columns: readonly Float32Array[], index: number, value: number): void
  of(columns: readonly Float32Array[], index: number): number
}

const NEVER_LEARNT = -1

/**
 * Times that a sample was right and then wrong. One column: NaN before the first report, -1 while it never was right, then
 * 2 * times + (1 if it was right the last time, else 0).
 */
const forgetting: Score = {
  metric: 'correct',
  names: ['forgetting_state'],
  observe([states], index, correct) {
    const column = states as Float32Array
    const state = column[index] as number
    const isLearnt = state >= 0
    const wasRight = isLearnt && state % 2 === 1
    if (correct === 1) column[index] = isLearnt ? state + (wasRight ? 0 : 1) : 1
    else column[index] = isLearnt ? state + (wasRight ? 1 : 0) : NEVER_LEARNT
  },
  of([states], index) {
    const state = states?.[index] as number
    return state === NEVER_LEARNT ? Number.POSITIVE_INFINITY : Math.floor(state / 2)
  },
}

/** The mean of a metric, each step in f32. */
const meanOf = (metric: string): Score => ({
  metric,
  names: [`${metric}_sum`, `${metric}_count`],
  observe([sums, counts], index, value) {
    const count = counts?.[index] as number
    const isFirst = Number.isNaN(count)
    ;(sums as Float32Array)[index] = isFirst ? value : (sums?.[index] as number) + value
    ;(counts as Float32Array)[index] = isFirst ? 1 : count + 1
  },
  of: ([sums, counts], index) => (sums?.[index] as number) / (counts?.[index] as number),
})

const scores: Readonly<Record<StaticMetric, Score>> = { forgetting, el2n: meanOf('el2n'), grand: meanOf('grand') }

/** The columns of a score, which stand still after so many epochs. */
const ownColumns = ({ metric, names, observe }: Score, observeEpochs: number): OwnColumns => ({
  names,
  observe(columns, sample) {
    if (sample.epoch >= observeEpochs) return
    const value = sample.metric(metric)
    if (!Number.isNaN(value)) observe(columns, sample.index, value)
  },
})

/** The column of a run that took its scores from others. */
export const IMPORTED_SCORE = 'imported_score'

/** A column that is there from the start, and never changes. */
const importedColumns: OwnColumns = { names: [IMPORTED_SCORE] }

const MAX_RUNS = 64

/** Scores of samples by a metric, rounded to f32, from the columns that were kept for it; Infinity where there is none. */
export function staticScores(
  metric: StaticMetric,
  sampleCount: number,
  column: (name: string) => Float32Array,
): Float32Array {
  const { names, of } = scores[metric]
  const columns = names.map(column)
  const values = new Float32Array(sampleCount)
  for (let index = 0; index < values.length; index++) {
    const value = of(columns, index)
    values[index] = Number.isNaN(value) ? Number.POSITIVE_INFINITY : value
  }
  return values
}

function checkScoresFrom(scoresFrom: readonly string[]): FieldViolation[] {
  const field = 'scores_from'
  if (scoresFrom.length > MAX_RUNS) {
    return [{ field, description: `${field} has ${scoresFrom.length} runs; it must have at most ${MAX_RUNS}` }]
  }
  return scoresFrom.flatMap((runId, i) => {
    const first = scoresFrom.indexOf(runId)
    if (first === i) return []
    const named = `${field}[${i}]`
    return [{ field: named, description: `${named} is "${runId}", as ${field}[${first}] is; give each run once` }]
  })
}

/**
 * The k hardest by a metric over the first `observeEpochs` epochs, in which the run trains on everything; at every selection the same, ties included.
 * `forgetting`: times that the sample was right and then wrong, where never right counts as infinite. `el2n` and `grand`: the mean of the reported metric of this name.
 * Samples without a score come before all others. A report without the metric changes nothing.
 * With `scoresFrom` the run keeps the mean of those runs' scores from its start, and observes nothing.
 * Bias: the model never sees the others after the epochs that are observed. Cost: O(N), 4 or 8 bytes a sample, and those epochs, which the saving counts.
 * Source: forgetting: Toneva et al. 2019 (arXiv 1812.05159); EL2N and GraNd: Paul et al. 2021 (arXiv 2107.07075). The baselines of Raju et al. 2021.
 */
export const staticScore: Policy<StaticScoreSettings> = {
  ...noSettings,
  defaults: { metric: 'forgetting', observeEpochs: 20, scoresFrom: [] },
  check: ({ observeEpochs, scoresFrom }) => [
    ...checkInteger('observe_epochs', observeEpochs, 1, 0xffff),
    ...checkScoresFrom(scoresFrom),
  ],
  metrics: ({ metric, scoresFrom }) => (scoresFrom.length > 0 ? [] : [scores[metric].metric]),
  ownColumns: ({ metric, observeEpochs, scoresFrom }) =>
    scoresFrom.length > 0 ? importedColumns : ownColumns(scores[metric], observeEpochs),
  leastWarmupEpochs: ({ observeEpochs, scoresFrom }) => (scoresFrom.length > 0 ? 0 : observeEpochs),
  runDefaults: ({ observeEpochs, scoresFrom }) => ({ warmupEpochs: scoresFrom.length > 0 ? 0 : observeEpochs }),
  select({ builder, column, keptCount, seed }, { metric, scoresFrom }) {
    const isImported = scoresFrom.length > 0
    const values = isImported ? column(IMPORTED_SCORE).slice() : staticScores(metric, builder.sampleCount, column)
    builder.addTopOf(values, keptCount, { seed, epoch: 0, purpose: purpose.ties })
  },
}
