/** How the moving statistics of a sample start: from its first loss, or from mean 0 and variance 0. */
export type InitialStatistics = 'first_loss' | 'zero'

/** The rule that chooses the kept set. Make one with {@link full}, {@link staticRandom}, {@link random}, {@link epsilonGreedy}, {@link ucb} or {@link orderDp}. */
export type Policy =
  | { readonly kind: 'full' }
  | { readonly kind: 'static_random' }
  | { readonly kind: 'random' }
  | ({ readonly kind: 'epsilon_greedy' } & EpsilonGreedyOptions)
  | ({ readonly kind: 'ucb' } & UcbOptions)
  | ({ readonly kind: 'order_dp' } & OrderDpOptions)

/** Settings of the moving statistics that both loss-driven policies use. */
export interface MovingStatisticsOptions {
  /** Weight of a new loss in the moving statistics. Range (0, 1]. Default 0.8. */
  readonly alpha?: number
  /** How the statistics start. Default 'first_loss'. */
  readonly initial?: InitialStatistics
}

/** Settings of {@link epsilonGreedy}. */
export interface EpsilonGreedyOptions extends MovingStatisticsOptions {
  /** Share of the kept set that is drawn uniformly. Range [0, 1]. Default 0.1. */
  readonly epsilon?: number
}

/** Settings of {@link ucb}. */
export interface UcbOptions extends MovingStatisticsOptions {
  /** Weight of the variance. At least 0, finite. Default 1. */
  readonly c?: number
}

/** Settings of {@link orderDp}. */
export interface OrderDpOptions {
  /** Share of the data set that is drawn as the pool. Range (0, 1]. Default: the square root of the share that is kept. */
  readonly poolRate?: number
}

/** Keeps every sample in every epoch: the baseline. The prune rate must be 0. */
export function full(): Policy {
  return { kind: 'full' }
}

/** k = floor((1 - p) N) samples, drawn once, uniformly without replacement, and kept for the whole run. */
export function staticRandom(): Policy {
  return { kind: 'static_random' }
}

/** k = floor((1 - p) N) samples, drawn uniformly without replacement at each selection. */
export function random(): Policy {
  return { kind: 'random' }
}

/**
 * The samples with the largest moving mean of the loss, and a share of uniform draws.
 *
 * Of k kept samples, floor(epsilon k) are drawn uniformly from all not yet taken; the others have the largest `mean`:
 * `mean = (1 - alpha) mean + alpha l` for each new loss l. Samples never reported rank before all others.
 *
 * Source: Raju, Daruwalla, Lipasti, "Accelerating Deep Learning with Dynamic Data Pruning" (arXiv 2111.12621). Formula and
 * defaults are those on which two public re-implementations agree.
 */
export function epsilonGreedy(options: EpsilonGreedyOptions = {}): Policy {
  return { kind: 'epsilon_greedy', ...options }
}

/**
 * The k samples with the largest `mean + c * var` of the loss (the variance, not its root).
 *
 * For each new loss l, the variance first, with the old mean:
 * `var = (1 - alpha) var + alpha (l - mean)^2`, then `mean = (1 - alpha) mean + alpha l`.
 * Samples never reported rank before all others.
 *
 * Source: Raju, Daruwalla, Lipasti, "Accelerating Deep Learning with Dynamic Data Pruning" (arXiv 2111.12621). Formula and
 * defaults are those on which two public re-implementations agree.
 */
export function ucb(options: UcbOptions = {}): Policy {
  return { kind: 'ucb', ...options }
}

/**
 * The k samples with the largest last loss in a pool that is drawn uniformly without replacement at each selection.
 *
 * The pool has floor(poolRate N) samples, at least k. Samples never reported rank before all others.
 *
 * Source: OrderDP, ICLR 2026.
 */
export function orderDp(options: OrderDpOptions = {}): Policy {
  return { kind: 'order_dp', ...options }
}
