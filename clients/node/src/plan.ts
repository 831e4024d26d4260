import { checkU32 } from './checks.js'
import { PlanPositions, type PositionFacts, type PositionLink } from './plan-positions.js'

/** Why the kept set is what it is: a first epoch, chosen for this epoch, the set of the last selection, a last epoch. */
export type PlanReason = 'warmup' | 'selected' | 'reused' | 'tail'

/** What a plan is, before its positions. */
export interface PlanFacts extends PositionFacts {
  readonly worldSize: number
  /** Samples kept in this epoch, over all ranks, k. */
  readonly keptCount: number
  /** Samples in the data set, N. */
  readonly sampleCount: number
  /** Share of the data set left out so far, this epoch included. Range [0, 1). */
  readonly saving: number
  /** Epoch at which the kept set was chosen; for 'warmup' and 'tail' the epoch itself. */
  readonly selectionEpoch: number
  readonly reason: PlanReason
  /** SHA-256 of the epoch's order over all ranks, as 64 hexadecimal digits. Equal on all ranks and for every world size. */
  readonly digest: string
  /** Reports of this rank in this epoch that the sampler had when it was asked: 0, or more after a restart in mid-epoch. The next report goes on after them. */
  readonly appliedSequence: number
  /** Whether the plan's batches have weights. */
  readonly hasWeights: boolean
  /** Positions that this rank has to score after it has trained on the plan: those of {@link Plan.scoring}. 0: nothing is to be scored. */
  readonly scoreCount: number
  /** What the learning rate is to be multiplied with in this epoch: 1, unless the policy says otherwise (kakurenbo). */
  readonly learningRateFactor: number
}

/** Settings of one {@link Plan.scoring}. */
export interface ScoringOptions {
  /** Position of what is to be scored at which batches begin: to go on there after a restart. 0 to the plan's `scoreCount`. Default 0. */
  readonly startPosition?: number
}

/** What a plan needs of its run. */
interface PlanLink extends PositionLink {
  /** The link of what is to be scored, from a position on. */
  scoring(startPosition: number): PositionLink
}

/** What one rank trains on in one epoch. */
export class Plan extends PlanPositions implements PlanFacts {
  readonly worldSize: number
  readonly keptCount: number
  readonly sampleCount: number
  readonly saving: number
  readonly selectionEpoch: number
  readonly reason: PlanReason
  readonly digest: string
  readonly appliedSequence: number
  readonly hasWeights: boolean
  readonly scoreCount: number
  readonly learningRateFactor: number
  readonly #link: PlanLink

  constructor(facts: PlanFacts, startPosition: number, link: PlanLink) {
    super(facts, startPosition, link)
    this.worldSize = facts.worldSize
    this.keptCount = facts.keptCount
    this.sampleCount = facts.sampleCount
    this.saving = facts.saving
    this.selectionEpoch = facts.selectionEpoch
    this.reason = facts.reason
    this.digest = facts.digest
    this.appliedSequence = facts.appliedSequence
    this.hasWeights = facts.hasWeights
    this.scoreCount = facts.scoreCount
    this.learningRateFactor = facts.learningRateFactor
    this.#link = link
  }

  /**
   * The samples that this epoch left out, where they are to be scored: {@link scoreCount} positions, handed out in batches as those of the plan are. They
   * have a forward pass without training, and their losses are reported as others of the epoch are, for the next selection to see. Without
   * anything to score it is empty, and the sampler is not asked.
   *
   * Begin it when all batches of the plan are reported: the losses should be those of the model after the epoch, and the queue of reports has room for
   * one batch of a rank at a time.
   *
   * Throws {@link InvalidArgumentError} for a start position past the end. What the sampler refuses is thrown by the first batch.
   */
  scoring(options: ScoringOptions = {}): PlanPositions {
    const { epoch, rank, scoreCount } = this
    const startPosition = checkU32('start_position', options.startPosition ?? 0, 0, scoreCount)
    return new PlanPositions(
      { epoch, rank, positionCount: scoreCount },
      startPosition,
      this.#link.scoring(startPosition),
    )
  }
}
