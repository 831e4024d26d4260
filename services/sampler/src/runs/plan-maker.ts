import { isEverything, isScored, ruleOfEpoch } from '../core/plans/epoch-rule.js'
import { computePlan, type Plan } from './plan.js'
import type { Choice, MadePlan, Planner, PlanWork } from './ports.js'
import type { Run } from './run.js'
import { RunError } from './run-error.js'
import { columnNames } from './run-spec.js'

/** Has the plans of one run made: the next one ahead of time where it can be, and the arrays of a plan that are not there any more. Changes no run. */
export class PlanMaker {
  readonly #runId: string
  readonly #planner: Planner
  readonly #assertOpen: () => void
  /** The next epoch's plan, made as soon as all losses of this one were in. */
  #ahead: { readonly work: PlanWork; readonly made: Promise<MadePlan> } | undefined
  /** The order of the present plan, on its way for ranks that ask once more. */
  #reordering: Promise<void> | undefined
  /** Ranks that have got their part of the present plan. */
  #served: { readonly plan: Plan; readonly ranks: Set<number> } | undefined

  /** `assertOpen` throws when nobody wants the plans any more. */
  constructor(runId: string, planner: Planner, assertOpen: () => void) {
    this.#runId = runId
    this.#planner = planner
    this.#assertOpen = assertOpen
  }

  /** Begins to make the next plan when no loss of this epoch is missing: until all ranks have asked for it, it may be there. */
  planAhead(run: Run): void {
    const { plan, spec, nextEpoch, isEpochObserved } = run
    if (this.#ahead || !plan || !isEpochObserved || nextEpoch === spec.totalEpochs) return
    const work = nextWork(run, plan.sharding.worldSize)
    const made = this.#planner.make(work)
    made.catch(() => undefined) // It is made again when it is asked for.
    this.#ahead = { work, made }
  }

  /** Makes the plan of the next epoch, or takes the one that was made ahead; with another number of ranks only its kept set is of use. */
  async make(run: Run, worldSize: number): Promise<MadePlan> {
    const work = nextWork(run, worldSize)
    const ahead = this.#ahead
    if (ahead?.work.statistics !== work.statistics || ahead.work.epoch !== work.epoch) return this.#planner.make(work)
    const made = await ahead.made.catch(() => undefined)
    if (made && ahead.work.sharding.worldSize === work.sharding.worldSize) return made
    if (!made) return this.#planner.make(work)
    return { ...(await this.#planner.make({ ...work, kept: made.keptSet })), summary: made.summary }
  }

  /** The plan that was made ahead is the run's, or will never be. */
  forgetAhead(): void {
    this.#ahead = undefined
  }

  /** Has the arrays of a plan computed; what cannot be done elsewhere is done here. Rejects with OUT_OF_MEMORY. */
  async supply(plan: Plan, { statistics }: Run): Promise<void> {
    const { seed, epoch, sharding, isScored, keptSet } = plan
    const work = { statistics, seed, epoch, sharding, isScored, kept: keptSet }
    const made = this.#planner.make(work).catch(() => {
      this.#assertOpen()
      return computePlan(plan)
    })
    plan.supply(await made.catch((error: unknown) => this.#rethrowAsFull(error)))
  }

  /** The rank asks once more for its part of the present plan: has the order computed where it is gone. */
  async reorder(plan: Plan, rank: number, run: Run): Promise<void> {
    this.#ranksServed(plan).delete(rank)
    if (plan.hasOrder) return
    this.#reordering ??= this.supply(plan, run).finally(() => {
      this.#reordering = undefined
    })
    await this.#reordering
  }

  /** The rank has got its whole part of the present plan. When all have, the order goes: it is computed again for who asks once more. */
  served(plan: Plan, rank: number): void {
    const ranks = this.#ranksServed(plan)
    ranks.add(rank)
    if (ranks.size < plan.sharding.worldSize) return
    this.#served = undefined
    plan.forgetOrder()
  }

  #ranksServed(plan: Plan): Set<number> {
    if (this.#served?.plan !== plan) this.#served = { plan, ranks: new Set() }
    return this.#served.ranks
  }

  #rethrowAsFull(error: unknown): never {
    if (!(error instanceof RangeError)) throw error
    const message = `the plan of run "${this.#runId}" does not fit into the sampler's memory now; delete runs or give it more, and ask again`
    throw new RunError('OUT_OF_MEMORY', this.#runId, message)
  }
}

/** What the plan of the next epoch is made of. */
function nextWork(run: Run, worldSize: number): PlanWork {
  const { spec, statistics, nextEpoch: epoch, keptSet } = run
  const { seed, shardMode, positionMultiple } = spec
  const { reason } = ruleOfEpoch(spec, epoch)
  const sharding = { worldSize, shardMode, positionMultiple }
  return {
    statistics,
    seed,
    epoch,
    sharding,
    isScored: isScored(spec, epoch),
    kept: isEverything(reason) ? undefined : reason === 'reused' ? keptSet : nextChoice(run),
  }
}

/** How the kept set of the next epoch is chosen. */
function nextChoice({ spec, nextEpoch, keptSet, progress }: Run): Choice {
  const { policy, totalEpochs, selectionPeriod, weights, weightCap } = spec
  const { keptCount, pruneRate } = ruleOfEpoch(spec, nextEpoch)
  return {
    previous: keptSet,
    request: {
      policy,
      keptCount,
      pruneRate,
      totalEpochs,
      selectionPeriod,
      selections: progress.selections,
      columnNames: columnNames(spec),
      weights: weights === 'on' ? { cap: weightCap } : undefined,
    },
  }
}
