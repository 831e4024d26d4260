import type { Plan } from '@keepset/client'
import { SingleBar } from 'cli-progress'
import { formatCount, formatEpoch, formatLoss, formatShare, formatStart, formatSummary, formatWait } from './format.js'
import type { EpochRecord, ResumeRecord, StartRecord, SummaryRecord } from './metrics.js'
import type { TrainProgress } from './train-progress.js'

/** Prints one plain line at the start of a training, for its backend, for each epoch, at the end, and where the sampler does not answer. */
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
    this.print(formatSummary(summary))
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
  #positionCount = 0
  /** What the bar shows and does not change within the epoch. */
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
    this.#positionCount = plan.positionCount
    this.#facts = { epoch: `${epoch} of ${epochs}`, kept: formatShare(plan.keptCount / plan.sampleCount) }
    this.#draw(0, { loss: '-', rate: '-', left: '-' })
  }

  batchTrained(position: number, loss: number): void {
    const rate = (1000 * position) / (performance.now() - this.#start)
    const left = `${Math.ceil((this.#positionCount - position) / rate)} s`
    this.#draw(position, { loss: formatLoss(loss), rate: formatCount(rate), left })
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

  #draw(position: number, state: { loss: string; rate: string; left: string }): void {
    if (this.#bar.isActive) this.#bar.update(position, state)
    else this.#bar.start(this.#positionCount, position, { ...this.#facts, ...state })
  }
}
