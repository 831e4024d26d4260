import type { EpochRecord, ResumeRecord, StartRecord, SummaryRecord } from './metrics.js'
import type { SelectionsSummary } from './selections-summary.js'
import type { Seconds } from './stopwatch.js'

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** A whole number with thousands separators. */
export function formatCount(value: number): string {
  return grouped.format(value)
}

/** A share of 0 to 1 as per cent. */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** A loss with four decimals. */
export function formatLoss(loss: number | null): string {
  return loss === null || !Number.isFinite(loss) ? 'not finite' : loss.toFixed(4)
}

/** The lines that begin a training's output. */
export function formatStart(start: StartRecord, resume?: ResumeRecord): string[] {
  const { settings } = start
  const environment = resume ?? start
  const pruning = settings.policy === 'full' ? 'full' : `${settings.policy}, prune rate ${settings.pruneRate}`
  const lines = [
    `run ${start.runId}: ${settings.model} with ${formatCount(start.parameterCount)} parameters, ${pruning}, ` +
      `${formatCount(start.trainCount)} training and ${formatCount(start.testCount)} test images`,
    `backend ${environment.backend}: ${environment.backendReason}`,
  ]
  if (resume) lines.push(`resumed at epoch ${resume.epoch}${describeChange(start, resume)}`)
  return lines
}

function describeChange(start: StartRecord, resume: ResumeRecord): string {
  if (start.backend === resume.backend) return ''
  return ` (begun on backend ${start.backend}: results will differ in rounding from those of an undisturbed training)`
}

/** One line an epoch. */
export function formatEpoch(record: EpochRecord, epochs: number): string {
  return [
    `epoch ${String(record.epoch).padStart(String(epochs - 1).length)} of ${epochs}`,
    `loss ${formatLoss(record.loss)}`,
    `test accuracy ${formatShare(record.testAccuracy)}`,
    `kept ${formatShare(record.keptShare)} (${record.reason})`,
    ...(record.scoreCount > 0 ? [`scored ${formatCount(record.scoreCount)}`] : []),
    `saving ${formatShare(record.saving)}`,
    `${formatCount(record.imagesPerSecond)} images/s`,
    `${record.seconds.total.toFixed(1)} s`,
  ].join('  ')
}

/** The lines that end a training's output. */
export function formatSummary(summary: SummaryRecord): string[] {
  const { samplesTrained, samplesScored, selections } = summary
  const images = `${formatCount(samplesTrained)} images trained${samplesScored > 0 ? ` and ${formatCount(samplesScored)} scored` : ''}`
  const done =
    `done: test accuracy ${formatShare(summary.testAccuracy)} after ${summary.epochs} epochs, ` +
    `${images}, saving ${formatShare(summary.saving)}, ${formatSeconds(summary.seconds)}`
  return selections ? [formatSelections(selections), done] : [done]
}

function formatSelections({ always, sometimes, never, overlap }: SelectionsSummary): string {
  const lastTwo = overlap === null ? '' : `; overlap of the last two ${formatShare(overlap)}`
  return `selections: kept always ${formatShare(always)}, sometimes ${formatShare(sometimes)}, never ${formatShare(never)}${lastTwo}`
}

/** The line that says why nothing goes on. */
export function formatWait(address: string, seconds: number): string {
  return `the sampler at ${address} has not answered for ${seconds} seconds: waiting for it`
}

function formatSeconds({ train, sampler, score, evaluate, total }: Seconds): string {
  const scoring = score > 0 ? `scoring ${score.toFixed(1)}, ` : ''
  return `${total.toFixed(1)} s (training ${train.toFixed(1)}, sampler ${sampler.toFixed(1)}, ${scoring}evaluation ${evaluate.toFixed(1)})`
}
