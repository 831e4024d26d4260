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

  /** The rank has a plan of `epoch`, in which the sampler has `applied` of its reports: every one that was sent, since a plan is asked for when all are acknowledged. */
  begin(epoch: number, rank: number, applied: number): void {
    this.#counts.set(rank, { epoch, reports: applied, reportsBefore: this.ofEpochBefore(epoch, rank) })
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
