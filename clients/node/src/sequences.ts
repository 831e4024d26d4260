import { PreconditionError } from './errors.js'

interface Count {
  epoch: number
  /** Reports of `epoch` so far: the last sequence given. */
  reports: number
  /** Reports of the epoch before. */
  reportsBefore: number
}

/** Numbers the reports of each rank: 1, 2, 3, … within an epoch. */
export class Sequences {
  readonly #counts = new Map<number, Count>()

  /** Reports that the rank made in the epoch before `epoch`; 0 where none are known. */
  ofEpochBefore(epoch: number, rank: number): number {
    const count = this.#counts.get(rank)
    if (count?.epoch === epoch) return count.reportsBefore
    return count?.epoch === epoch - 1 ? count.reports : 0
  }

  /** The rank has a plan of `epoch`. `reported` reports were sent before; a plan that is asked for again goes on counting. */
  begin(epoch: number, rank: number, reported = 0): void {
    const count = this.#counts.get(rank)
    if (count?.epoch === epoch) count.reports = Math.max(count.reports, reported)
    else this.#counts.set(rank, { epoch, reports: reported, reportsBefore: this.ofEpochBefore(epoch, rank) })
  }

  /** The sequence of the rank's next report, if `epoch` is the one it is in. {@link commit} makes it the last. */
  next(epoch: number, rank: number): number {
    const count = this.#counts.get(rank)
    if (count?.epoch === epoch) return count.reports + 1
    throw new PreconditionError(
      'FAILED_PRECONDITION',
      `Epoch ${epoch} is over for rank ${rank}, which is in epoch ${count?.epoch}. Report with the plan of the epoch in progress.`,
      { reason: 'WRONG_EPOCH' },
    )
  }

  /** The report with {@link next}'s sequence is on its way. */
  commit(rank: number): void {
    const count = this.#counts.get(rank)
    if (count) count.reports++
  }
}
