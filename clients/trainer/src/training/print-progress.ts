import type { Plan } from '@keepset/client'
import { SingleBar } from 'cli-progress'
import { formatCount, formatEpoch, formatLoss, formatShare, formatStart, formatSummary, formatWait } from './format.js'
import type { EpochRecord, ResumeRecord, StartRecord, SummaryRecord } from './metrics.js'
import type { TrainProgress } from './train-progress.js'

/** Prints plain lines: one at the start of a training, for its backend, for each epoch, for what came of the selections, at the end, and where the sampler does not answer. */
export class LineProgress implements TrainProgress {
  readonly #output: NodeJS.WritableStream
  #epochs = 0

  constructor(output: NodeJS.WritableStream) {
    this.#output = output
  }

  started(start: StartRecord, resume?: ResumeRecord): void {
    this.#epochs = start.settings.epochs
    for (const line of formatStart(start, resume)) this.print(line)
  }

  epochFinished(record: EpochRecord): void {
    this.print(formatEpoch(record, this.#epochs))
  }

  finished(summary: SummaryRecord): void {
    for (const line of formatSummary(summary)) this.print(line)
  }

  samplerAwaited(address: string, seconds: number): void {
    this.print(formatWait(address, seconds))
  }

  protected print(line: string): void {
    this.#output.write(`${line}\n`)
  }
}

/** Prints the same lines, and while an epoch runs a bar with its loss, images/s, kept share and time left. */
export class BarProgress extends LineProgress {
  readonly #bar: SingleBar
  #start = 0
  /** Images to train on in the epoch. */
  #trainCount = 0
  /** Those, and those to score. */
  #total = 0
  /** What the bar shows. */
  #facts = {}

  constructor(output: NodeJS.WritableStream) {
    super(output)
    this.#bar = new SingleBar({
      stream: output,
      format: 'epoch {epoch} {bar} {percentage} %  loss {loss}  {rate} images/s  kept {kept}  {left} left',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
    })
  }

  epochPlanned(epoch: number, epochs: number, plan: Plan): void {
    this.#start = performance.now()
    this.#trainCount = plan.positionCount
    this.#total = plan.positionCount + plan.scoreCount
    this.#facts = { epoch: `${epoch} of ${epochs}`, kept: formatShare(plan.keptCount / plan.sampleCount) }
    this.#draw(0, { loss: '-', rate: '-', left: '-' })
  }

  batchTrained(position: number, loss: number): void {
    this.#draw(position, { loss: formatLoss(loss), ...this.#paceAt(position) })
  }

  batchScored(position: number): void {
    const done = this.#trainCount + position
    this.#draw(done, this.#paceAt(done))
  }

  /** Images a second so far, and the time left, as if all were to go on like that. */
  #paceAt(position: number): { rate: string; left: string } {
    const rate = (1000 * position) / (performance.now() - this.#start)
    return { rate: formatCount(rate), left: `${Math.ceil((this.#total - position) / rate)} s` }
  }

  /** In the place of the bar, which comes back below with the next batch. */
  override samplerAwaited(address: string, seconds: number): void {
    this.#bar.stop()
    super.samplerAwaited(address, seconds)
  }

  override epochFinished(record: EpochRecord): void {
    this.#bar.stop()
    super.epochFinished(record)
  }

  /** Takes the bar away when a training ends early. */
  stop(): void {
    this.#bar.stop()
  }

  /** A loss that is not given stays what it was. */
  #draw(position: number, state: { loss?: string; rate: string; left: string }): void {
    this.#facts = { ...this.#facts, ...state }
    if (this.#bar.isActive) this.#bar.update(position, this.#facts)
    else this.#bar.start(this.#total, position, this.#facts)
  }
}
