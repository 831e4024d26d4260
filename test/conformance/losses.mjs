/** Losses that the vectors report: each kind a function (random, sample, epoch) → f32. They use only exact or correctly rounded operations, so every platform makes the same. */

const { fround } = Math
const MAX = 3.4028234663852886e38
const SMALLEST = 2 ** -149

/** Mulberry32: a small seeded generator of doubles in [0, 1), for test data only. */
export function createRandom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32
  }
}

const pick = (random, values) => values[Math.floor(random() * values.length)]

/** Falls over the epochs, differs between samples. */
const falling = (random, sample, epoch) => ((sample % 17) / 4 + 3 * random()) / (1 + epoch / 2)

export const losses = {
  /** As in a training, in steps of 1/1024: short to print, exact in f32. */
  plain: (random, sample, epoch) => Math.round(falling(random, sample, epoch) * 1024) / 1024,
  /** As in a training, with all 24 bits in use. */
  fine: (random, sample, epoch) => fround(falling(random, sample, epoch)),
  /** Five distinct values: ties everywhere. */
  few: (random) => pick(random, [0, 0.25, 0.5, 1, 2]),
  equal: () => 1.5,
  /** Above 0 for samples with an even index, 0 or below it for the others. */
  halfAbove: (random, sample) => (sample % 2 === 0 ? fround(random() + 0.125) : pick(random, [0, -0, -1])),
  /** Zeros of both signs, some losses on either side of them. */
  zeros: (random) => pick(random, [0, -0, 0, -0, 1, -1]),
  negative: (random, sample, epoch) => fround(falling(random, sample, epoch) - 2),
  /** Subnormal f32, and 0. */
  denormal: (random) => Math.floor(random() * 2 ** 20) * SMALLEST,
  /** Normal f32 whose squares are subnormal. */
  small: (random) => fround(random() * 2 ** -66),
  /** The few smallest f32 of both signs: products and squares round to 0 or up to the smallest. */
  tiny: (random) => pick(random, [-2, -1, 0, 1, 2, 3]) * SMALLEST,
  /** Squares and differences overflow. */
  huge: (random) => fround(pick(random, [1e38, -1e38, 3e38, MAX, -MAX, 1e20, 1])),
  /** Every third is NaN or infinite. */
  broken: (random, sample, epoch) =>
    random() < 1 / 3 ? pick(random, [Number.NaN, Infinity, -Infinity]) : losses.plain(random, sample, epoch),
  /** Nothing but NaN and infinities. */
  hopeless: (random) => pick(random, [Number.NaN, Infinity, -Infinity]),
  /** Epoch 0 and 1 give, with alpha 1 and c 0.3, scores mean + c var of nearly 4: the loss of epoch 1, 1 to 2, plus c times its squared distance to that of epoch 0. */
  level: (_random, sample, epoch) => {
    const last = fround(1 + ((sample * 0.6180339887498949) % 1))
    return epoch === 1 ? last : fround(last - Math.sqrt((4 - last) / 0.3))
  },
  /** From 2^-40 to 2^40. */
  wide: (random) => fround((1 + random()) * 2 ** Math.floor(random() * 80 - 40)),
}

/** Values of metrics that the vectors report, as the losses. */
export const metricKinds = {
  /** Right or wrong, more often right as the epochs go by; a tenth of the samples is never right. */
  correct: (random, sample, epoch) => (sample % 10 !== 3 && random() < 0.4 + epoch / 10 ? 1 : 0),
  /** In steps of 1/64, so that thresholds are met. */
  confidence: (random) => Math.floor(random() * 65) / 64,
  /** 0.7 in f32, and its neighbours. */
  sevenTenths: (random) => pick(random, [fround(0.7), fround(0.7 - 2 ** -24), fround(0.7 + 2 ** -24), 1]),
  /** As `confidence`, a third of it missing. */
  confidenceWithGaps: (random) => (random() < 1 / 3 ? Number.NaN : Math.floor(random() * 65) / 64),
  /** Norms, with all 24 bits in use. */
  norm: (random) => fround(1.5 * random()),
  /** Six distinct scores, negative ones and zeros of both signs among them. */
  score: (random) => pick(random, [-1, -0, 0, 0.5, 1, 4]),
  /** As `score`, every fourth value NaN or infinite. */
  scoreWithGaps: (random) => (random() < 1 / 4 ? pick(random, [Number.NaN, Infinity]) : pick(random, [-1, 0, 1, 4])),
}
