/** How the moving statistics of a sample start: from its first loss, or from mean 0 and variance 0. */
export type InitialStatistics = 'first_loss' | 'zero'

/** What {@link staticScore} looks at: the times that a sample was right and then wrong, or the mean of a metric. */
export type StaticMetric = 'forgetting' | 'el2n' | 'grand'

/** The rule that chooses the kept set. Make one with a function of this module, for example {@link ucb}. */
export type Policy =
  | { readonly kind: 'full' }
  | { readonly kind: 'static_random' }
  | { readonly kind: 'random' }
  | ({ readonly kind: 'epsilon_greedy' } & EpsilonGreedyOptions)
  | ({ readonly kind: 'ucb' } & UcbOptions)
  | ({ readonly kind: 'order_dp' } & OrderDpOptions)
  | ({ readonly kind: 'info_batch' } & InfoBatchOptions)
  | { readonly kind: 'rs2' }
  | ({ readonly kind: 'importance' } & ImportanceOptions)
  | ({ readonly kind: 'selective_backprop' } & SelectiveBackpropOptions)
  | ({ readonly kind: 'custom_score' } & CustomScoreOptions)
  | ({ readonly kind: 'seta' } & SetaOptions)
  | ({ readonly kind: 'repb' } & RepbOptions)
  | ({ readonly kind: 'kakurenbo' } & KakurenboOptions)
  | ({ readonly kind: 'ies' } & IesOptions)
  | ({ readonly kind: 'static_score' } & StaticScoreOptions)
  | ({ readonly kind: 'backlog' } & MovingStatisticsOptions)

/** Settings of the moving statistics that {@link epsilonGreedy}, {@link ucb} and {@link backlog} use. */
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

/** Settings of {@link infoBatch}. */
export interface InfoBatchOptions {
  /** Share of the samples below the threshold that is left out. Range (0, 1), at least the prune rate. Default 0.5. */
  readonly r?: number
}

/** Settings of {@link importance}. */
export interface ImportanceOptions {
  /** Power of the mean loss. Range [0, 16]. Default 1. */
  readonly exponent?: number
  /** Share of the probability that all samples have alike. Range [0, 1]. Default 0.1. */
  readonly uniformShare?: number
}

/** Settings of {@link selectiveBackprop}. */
export interface SelectiveBackpropOptions {
  /** Power of the rank. Range [0, 16]. Default 1. */
  readonly exponent?: number
}

/** Settings of {@link customScore}. */
export interface CustomScoreOptions {
  /** Draw in proportion to the score, negative ones counting as 0. Default false: the largest are kept. */
  readonly draw?: boolean
  /** With `draw`: share of the probability that all samples have alike. Range [0, 1]. Default 0.1. */
  readonly uniformShare?: number
}

/** Settings of {@link seta}. */
export interface SetaOptions {
  /** Share left out at random. Range [0, 1). Default 0.1. */
  readonly dropRate?: number
  /** Number of groups. An integer, range [2, 1000]. Default 5. */
  readonly groups?: number
  /** Share of the groups that the window has. Range (0, 1]. Default 0.9. */
  readonly window?: number
}

/** Settings of {@link repb}. */
export interface RepbOptions {
  /** Probability with which what may be left out is. Range [0, 1). Default 0.5. */
  readonly rho?: number
}

/** Settings of {@link kakurenbo}. */
export interface KakurenboOptions {
  /** Confidence from which on a right prediction is sure. Range [0, 1]. Default 0.7. */
  readonly confidence?: number
}

/** Settings of {@link ies}. */
export interface IesOptions {
  /** Below it a loss has come to rest. At least 0. Default 0.001. */
  readonly tau?: number
}

/** Settings of {@link staticScore}. */
export interface StaticScoreOptions {
  /** The score. */
  readonly metric: StaticMetric
  /** Epochs that are observed; `warmupEpochs` is as long by default, and must not be shorter. At least 1. Default 20. Not with `scoresFrom`. */
  readonly observeEpochs?: number
  /**
   * Ids of other runs of this sampler, of `staticScore` with the same metric and of as many samples, at most 64: the mean of their scores is
   * taken, as it is when the run is created, and nothing is observed. Default none.
   */
  readonly scoresFrom?: readonly string[]
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

/**
 * Of the m samples whose last loss is below a threshold, floor((1 - r) m) are kept at random, with the weight m / kept; all others are
 * kept with the weight 1. Without a prune rate the threshold is the mean last loss; with one as much is left out as it says.
 *
 * Samples never reported are kept. By default it selects every epoch, the last eighth of the epochs train on everything, and weights are on.
 *
 * Source: InfoBatch, Qin et al., ICLR 2024 (arXiv 2303.04947).
 */
export function infoBatch(options: InfoBatchOptions = {}): Policy {
  return { kind: 'info_batch', ...options }
}

/**
 * The k samples that were kept the fewest times, drawn uniformly among equals: one random permutation in pieces, and then a new one.
 * Losses do not matter. By default it selects every epoch.
 *
 * Source: RS2, Okanovic et al., ICLR 2024 (arXiv 2305.18424).
 */
export function rs2(): Policy {
  return { kind: 'rs2' }
}

/**
 * k samples drawn without replacement, in proportion to `mean^exponent` of the loss, smoothed with the uniform. Samples never reported
 * come first. By default weights are on: 1 / the probability of a sample. They make the sum of weight x loss over an epoch unbiased, an
 * estimate of the sum of the losses of all N samples. The mean over a batch is N/k times the mean loss in expectation, and so is its gradient.
 */
export function importance(options: ImportanceOptions = {}): Policy {
  return { kind: 'importance', ...options }
}

/**
 * k samples drawn without replacement, in proportion to `CDF^exponent` of the last loss: the share of samples whose last loss is not
 * larger. Samples never reported come first. By default without weights.
 *
 * Source: Selective-Backprop, Jiang et al. 2019 (arXiv 1910.00762), with losses of the last time in place of fresh ones.
 */
export function selectiveBackprop(options: SelectiveBackpropOptions = {}): Policy {
  return { kind: 'selective_backprop', ...options }
}

/**
 * The k samples with the largest metric `score`, which the trainer reports beside the losses; with `draw` k samples in proportion to it,
 * by default with weights. Samples without a score come first.
 */
export function customScore(options: CustomScoreOptions = {}): Policy {
  return { kind: 'custom_score', ...options }
}

/**
 * A share of the samples is left out at random; the others are put into groups of like last losses (1-D k-means), and a window of
 * round(window groups) neighbouring groups is kept. It moves on by one group at each selection, from the easiest to the hardest, and wraps.
 *
 * The prune rate must be 0. Samples never reported are kept. By default it selects every epoch.
 *
 * Source: SeTa, CVPR 2025.
 */
export function seta(options: SetaOptions = {}): Policy {
  return { kind: 'seta', ...options }
}

/**
 * A sample of the last epoch is kept if its loss was at least the mean of its report, else with probability 1 - rho; with the same
 * probability one comes back that was left out. Its weight: epochs so far / times that it was trained on.
 *
 * The prune rate must be 0. Samples never reported are kept. By default it selects every epoch, and weights are on.
 *
 * Source: RePB, ICLR 2026.
 */
export function repb(options: RepbOptions = {}): Policy {
  return { kind: 'repb', ...options }
}

/**
 * The share F of lowest last losses is left out, but for samples that were mispredicted, or right with a confidence below a threshold.
 * F is the prune rate, and 0.8, 0.6 and 0.4 of it from 0.3, 0.6 and 0.8 of the epochs on.
 *
 * Needs the metrics `correct` (1 or 0) and `confidence`. Multiply the learning rate with `plan.learningRateFactor`, 1 / (1 - F). By default it
 * selects every epoch, and has what is left out scored (`plan.scoring()`).
 *
 * Source: KAKURENBO, Nguyen et al., NeurIPS 2023 (arXiv 2310.10102).
 */
export function kakurenbo(options: KakurenboOptions = {}): Policy {
  return { kind: 'kakurenbo', ...options }
}

/**
 * Samples are left out while the mean of the last three `|l_t - 2 l_(t-1) + l_(t-2)|` of their losses is below tau.
 *
 * The prune rate must be 0. By default it selects every epoch, and has what is left out scored (`plan.scoring()`), so that it comes back when its
 * loss moves again.
 *
 * Source: IES, instance-dependent early stopping, ICLR 2025.
 */
export function ies(options: IesOptions = {}): Policy {
  return { kind: 'ies', ...options }
}

/**
 * Trains on everything for `observeEpochs`, then keeps the k samples with the largest score for the rest of the run.
 *
 * `forgetting` counts how often a sample was right and then wrong, never right counting as infinite, and needs the metric `correct` (1 or 0).
 * `el2n` and `grand` are the means of the metrics of that name. The epochs that are observed cost what they cost: the saving counts them.
 *
 * Source: Toneva et al. 2019 (arXiv 1812.05159) for forgetting, Paul et al. 2021 (arXiv 2107.07075) for the others.
 */
export function staticScore(options: StaticScoreOptions): Policy {
  return { kind: 'static_score', ...options }
}

/**
 * The k samples with the largest (1 - exp(-mean loss))^2 times the selection periods since they were last trained on: each comes up in proportion to about
 * what a step takes away from its cross entropy, every time at most.
 *
 * While all losses are high it walks the data set in turns, as {@link rs2}; once most samples are learnt it keeps the others, as {@link ucb}.
 * Made for losses of the scale of cross entropies: where all are far above 1 it takes turns, where all are far below it goes by their squares.
 * Losses below 0 count as 0, and what has a loss of 0 is not kept again. Samples never reported rank before all others.
 *
 * Source: our own, after Max-Weight schedulers (Tassiulas and Ephremides 1992).
 */
export function backlog(options: MovingStatisticsOptions = {}): Policy {
  return { kind: 'backlog', ...options }
}
