/**
 * The rules of the policies, for the oracle: each a function from what is known at a selection to what is kept. Plain walks of lists, nothing shared with the sampler.
 *
 * A rule gets { N, k, pruneRate, epoch, totalEpochs, selectionPeriod, selections, settings, samples, open } and gives { set, weights }: the kept indices in ascending order,
 * and the weight of each in the same order, or no weights where all are 1.
 * A sample is { mean, variance, seen, last, timesKept, metrics, observations }; observations are all it ever had, the oldest first:
 * { epoch, loss, reportMean, metrics, trained }, not trained where it was only scored, with the metrics that the report brought, and `metrics` of the sample are the last finite values.
 */
import { ascending, choose, share, top } from './draws.mjs'
import { sizesOf } from './inclusion.mjs'

const { fround } = Math

const range = (length) => Array.from({ length }, (_, index) => index)
const sumOf = (values) => values.reduce((sum, value) => sum + value, 0)
const meanOf = (values) => sumOf(values) / values.length
const seenOf = (samples) => samples.map((sample) => sample.seen)
const lastOf = (samples) => samples.map((sample) => sample.last)
const without = (list, taken) => list.filter((item) => !taken.includes(item))

/** The `count` samples that rank first by their last loss, in ascending order. */
const largestLosses = (count, samples, open) => top(count, lastOf(samples), seenOf(samples), open('ties'))

/** What is kept; everything, with the weights 1, where that would be nothing. */
const orEverything = (kept, N) => (kept.set.length > 0 ? kept : { set: range(N) })

/** What is kept of N with the same probability for all. */
const uniform = (set, N) => ({ set, weights: set.map(() => fround(N / set.length)) })

/** The uniform draw of `kept` of the candidates beside what is kept anyway; each drawn one stands for candidates / kept. */
function keepSome(always, candidates, kept, words) {
  const drawn = choose(words, kept, candidates)
  const set = [...always, ...drawn].sort(ascending)
  return { set, weights: set.map((index) => (drawn.includes(index) ? fround(candidates.length / kept) : 1)) }
}

// ---- info_batch

function infoBatch({ N, k, pruneRate, settings, samples, open }) {
  const r = settings.r ?? 0.5
  const all = range(N)
  if (pruneRate > 0) {
    // As many candidates as have to be left out at least, whatever p / r rounds to.
    const candidateCount = Math.max(share(pruneRate / r, N), N - k)
    const always = largestLosses(N - candidateCount, samples, open)
    return keepSome(always, without(all, always), k - always.length, open('draw'))
  }
  const seen = all.filter((index) => samples[index].seen)
  const threshold = fround(meanOf(seen.map((index) => samples[index].last)))
  const candidates = seen.filter((index) => samples[index].last < threshold)
  const kept = candidates.length > 0 ? Math.max(1, share(1 - r, candidates.length)) : 0
  return keepSome(without(all, candidates), candidates, kept, open('draw'))
}

// ---- rs2

function rs2({ N, k, samples, open }) {
  const scores = samples.map((sample) => -sample.timesKept)
  return uniform(top(k, scores, Array(N).fill(true), open('draw')), N)
}

// ---- seta

/** The groups of 1-D k-means, the easiest first: lists of places in the rising list of losses. */
export function groupsOf(rising, groupCount) {
  const quantile = (j) => (j + 0.5) / groupCount
  let centres = range(groupCount).map((j) => rising[Math.floor(quantile(j) * rising.length)])
  const assign = () => {
    const boundaries = range(groupCount - 1).map((j) => (centres[j] + centres[j + 1]) / 2)
    const groupOfLoss = (loss) => [...boundaries, Infinity].findIndex((boundary) => loss <= boundary)
    const groupOfPlace = rising.map(groupOfLoss)
    return range(groupCount).map((j) => range(rising.length).filter((place) => groupOfPlace[place] === j))
  }
  let groups = assign()
  for (let round = 0; round < 100; round++) {
    centres = centres.map((centre, j) =>
      groups[j].length > 0 ? meanOf(groups[j].map((place) => rising[place])) : centre,
    )
    const next = assign()
    const settled = JSON.stringify(next) === JSON.stringify(groups)
    groups = next
    if (settled) break
  }
  return groups
}

/** Halves to the even neighbour: 0.9 of 5 groups are 4, so that the window of the defaults slides. */
function roundHalfToEven(x) {
  const [below, above] = [Math.floor(x), Math.ceil(x)]
  if (x - below === above - x) return below % 2 === 0 ? below : above
  return Math.round(x)
}

function seta({ N, selections, settings, samples, open }) {
  const { dropRate = 0.1, groups: groupCount = 5, window = 0.9 } = settings
  const unseen = range(N).filter((index) => !samples[index].seen)
  const seen = range(N).filter((index) => samples[index].seen)
  const left = choose(open('draw'), seen.length - share(dropRate, seen.length), seen)
  if (left.length === 0) return orEverything({ set: unseen }, N)
  const rising = left.toSorted((a, b) => samples[a].last - samples[b].last)
  const groups = groupsOf(
    rising.map((index) => samples[index].last),
    groupCount,
  )
  const width = Math.max(1, roundHalfToEven(window * groupCount))
  const places = range(width).flatMap((j) => groups[(selections + j) % groupCount])
  return orEverything({ set: [...unseen, ...places.map((place) => rising[place])].sort(ascending) }, N)
}

// ---- repb

/** The observations of a sample that came from training on it. */
const trainedOn = ({ observations }) => observations.filter(({ trained }) => trained)

function repb({ N, epoch, settings, samples, open }) {
  const rho = settings.rho ?? 0.5
  const words = open('draw')
  const comesBack = () => Number(words.next().value) < (1 - rho) * 2 ** 32
  const set = range(N).filter((index) => {
    const last = trainedOn(samples[index]).at(-1)
    if (!last) return true
    const { epoch: observed, loss, reportMean } = last
    if (observed === epoch - 1 && loss >= reportMean) return true
    return comesBack()
  })
  const weightOf = (sample) => {
    const times = trainedOn(sample).length
    return times === 0 ? 1 : fround(Math.max(1, epoch / times))
  }
  return orEverything({ set, weights: set.map((index) => weightOf(samples[index])) }, N)
}

// ---- kakurenbo

/** The share of samples that may be hidden at an epoch, F. */
export function hiddenShare(pruneRate, epoch, totalEpochs) {
  const from = (tenths) => totalEpochs !== undefined && 10 * epoch >= tenths * totalEpochs
  if (from(8)) return pruneRate * 0.4
  if (from(6)) return pruneRate * 0.6
  if (from(3)) return pruneRate * 0.8
  return pruneRate
}

function kakurenbo({ N, pruneRate, epoch, totalEpochs, settings, samples, open }) {
  const sure = fround(settings.confidence ?? 0.7)
  const hidden = share(hiddenShare(pruneRate, epoch, totalEpochs), N)
  const kept = largestLosses(N - hidden, samples, open)
  const movedBack = without(range(N), kept).filter((index) => {
    const { correct, confidence } = samples[index].metrics
    return !(correct === 1 && confidence >= sure)
  })
  return { set: [...kept, ...movedBack].sort(ascending) }
}

// ---- ies

/** The second differences of a list of losses, each step in f32. */
export const secondDifferences = (losses) =>
  range(Math.max(0, losses.length - 2)).map((t) =>
    Math.abs(fround(fround(losses[t + 2] - fround(2 * losses[t + 1])) + losses[t])),
  )

function ies({ N, settings, samples }) {
  const tau = fround(settings.tau ?? 0.001)
  const atRest = ({ observations }) => {
    const last = secondDifferences(observations.map(({ loss }) => loss)).slice(-3)
    return last.length === 3 && fround(fround(fround(last[0] + last[1]) + last[2]) / 3) < tau
  }
  const set = range(N).filter((index) => !atRest(samples[index]))
  return orEverything({ set }, N)
}

// ---- custom_score

/** Without `draw`. */
function customScore({ N, k, samples, open }) {
  const scores = range(N).map((index) => samples[index].metrics.score ?? Number.NaN)
  const scored = scores.map((score) => !Number.isNaN(score))
  return { set: top(k, scores, scored, open('ties')) }
}

// ---- static_score

/** Times that a sample was right and then wrong; Infinity where it was never right, or never looked at. */
export function forgettingOf(correct) {
  const right = correct.map((value) => value === 1)
  if (!right.includes(true)) return Infinity
  return right.filter((now, at) => at > 0 && right[at - 1] && !now).length
}

/** The mean of a metric, in f32; Infinity where there is none. */
function meanMetric(values) {
  const sum = values.reduce((total, value) => fround(total + value), 0)
  return values.length > 0 ? fround(sum / values.length) : Infinity
}

const metricNames = { STATIC_METRIC_FORGETTING: 'correct', STATIC_METRIC_EL2N: 'el2n', STATIC_METRIC_GRAND: 'grand' }

function staticScore({ N, k, settings, samples, open }) {
  const { metric, observeEpochs = 20 } = settings
  const scoreOf = metric === 'STATIC_METRIC_FORGETTING' ? forgettingOf : meanMetric
  const scores = samples.map(({ observations }) => {
    const looked = observations
      .filter(({ epoch }) => epoch < observeEpochs)
      .map(({ metrics }) => metrics[metricNames[metric]])
    return scoreOf(looked.filter(Number.isFinite))
  })
  return { set: top(k, scores, Array(N).fill(true), open('ties', 0)) }
}

// ---- The policies of the paper, and order_dp

const full = ({ N }) => ({ set: range(N) })

const staticRandom = ({ N, k, open }) => uniform(choose(open('draw', 0), k, range(N)), N)

const random = ({ N, k, open }) => uniform(choose(open('draw'), k, range(N)), N)

function epsilonGreedy({ N, k, settings, samples, open }) {
  const explored = share(settings.epsilon ?? 0.1, k)
  const means = samples.map((sample) => sample.mean)
  const taken = top(k - explored, means, seenOf(samples), open('ties'))
  return keepSome(taken, without(range(N), taken), explored, open('explore'))
}

function ucb({ k, settings, samples, open }) {
  const c = fround(settings.c ?? 1)
  const scores = samples.map(({ mean, variance }) => fround(mean + fround(c * variance)))
  return { set: top(k, scores, seenOf(samples), open('ties')) }
}

function orderDp({ N, k, settings, samples, open }) {
  const rate = settings.poolRate || Math.sqrt(k / N)
  const pool = choose(open('draw'), Math.max(k, share(rate, N)), range(N))
  const of = (list) => pool.map((index) => list[index])
  const places = top(k, of(lastOf(samples)), of(seenOf(samples)), open('ties'))
  return { set: places.map((place) => pool[place]) }
}

// ---- backlog

function backlog({ k, epoch, selectionPeriod, samples, open }) {
  const scores = samples.map((sample) => {
    const lastTrained = trainedOn(sample).at(-1)?.epoch ?? -1
    const waited = Math.max(1, 1 + (epoch - 1 - lastTrained) / selectionPeriod)
    const wrong = Math.expm1(-Math.max(0, sample.mean))
    return fround(wrong * wrong * waited)
  })
  return { set: top(k, scores, seenOf(samples), open('ties')) }
}

/** Each rule by the name that its settings have in a RunSpec as proto3 JSON. */
export const rules = {
  full,
  staticRandom,
  random,
  epsilonGreedy,
  ucb,
  orderDp,
  infoBatch,
  rs2,
  customScore,
  seta,
  repb,
  kakurenbo,
  ies,
  staticScore,
  backlog,
}

/** The policy's name in a spec. */
export const policyOf = (spec) => [...Object.keys(rules), ...Object.keys(sizesOf)].find((name) => spec[name])
