/** The chances with which samples are drawn, in whole units, so that their sum is exact. */
export interface Inclusion {
  /** Of each sample its inclusion probability times `whole`: an integer from 0 to `whole`. */
  readonly units: Float64Array
  /** What stands for probability 1: a positive integer below 2^52. The units of all samples add up to a multiple of it. */
  readonly whole: number
}

/** The samples that have a loss, by size: size classes are the high 16 bits of an f32, all with one exponent. */
interface Tally {
  /** Samples that have a loss. */
  readonly seen: number
  readonly counts: Uint32Array
  /** Exact: sizes of one class are multiples of the same power of 2 below 2^24, and there are fewer than 2^29 samples. */
  readonly sums: Float64Array
}

/** q of a size w, up to a factor: slope * w + base. Never falls as w grows. */
interface Line {
  readonly slope: number
  readonly base: number
}

/** The samples that are not certain to be kept: those with a size of at most `limit`. */
interface Rest {
  readonly limit: number
  readonly count: number
  /** Of their sizes. */
  readonly sum: number
}

const CLASSES = 0x8000
/** Units of all that is to be drawn, about: sums of units, and twice that, stay below 2^53 and so exact. */
const ALL_UNITS = 2 ** 51

const view = new DataView(new ArrayBuffer(4))

/** The size with these bits. */
function sizeOf(bits: number): number {
  view.setUint32(0, bits)
  return view.getFloat32(0)
}

/** The bits of each size, read as u32; those of -0 are not those of 0. */
const bitsOf = (sizes: Float32Array) => new Uint32Array(sizes.buffer, sizes.byteOffset, sizes.length)

function tally(sizes: Float32Array): Tally {
  const bits = bitsOf(sizes)
  const counts = new Uint32Array(CLASSES)
  const sums = new Float64Array(CLASSES)
  let seen = 0
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i] as number
    if (size < 0) continue
    const sizeClass = ((bits[i] as number) >>> 16) & 0x7fff // -0 is in the class of 0
    counts[sizeClass] = (counts[sizeClass] as number) + 1
    sums[sizeClass] = (sums[sizeClass] as number) + size
    seen++
  }
  return { seen, counts, sums }
}

/** The sizes in a class, ascending. */
function sizesInClass(sizes: Float32Array, sizeClass: number): Float32Array {
  const bits = bitsOf(sizes)
  return sizes.filter((size, i) => size >= 0 && (((bits[i] as number) >>> 16) & 0x7fff) === sizeClass).sort()
}

function toLine({ seen, sums }: Tally, uniformShare: number): Line {
  let total = 0
  for (let sizeClass = 0; sizeClass < CLASSES; sizeClass++) total += sums[sizeClass] as number
  return { slope: (1 - uniformShare) * seen, base: uniformShare * total }
}

/**
 * Which samples are certain. A sample of size w is not if those below it, each with q / q(w), and a whole one for all others make at least
 * `count`: then 1 / c is at least q(w). This holds up to some size and for none above. It is looked for among the classes, from the smallest,
 * and in the last of them, which may be cut, among its sizes: two passes over the samples, whatever the sizes.
 */
function findRest(sizes: Float32Array, { seen, counts, sums }: Tally, { slope, base }: Line, count: number): Rest {
  /** `below` samples, with `sum` of sizes, are smaller than `size`. */
  const isUncertain = (size: number, below: number, sum: number) =>
    slope * sum + base * below >= (slope * size + base) * (count - (seen - below))
  let cut = 0
  let below = 0
  let sum = 0
  for (let sizeClass = 0, count = 0, total = 0; sizeClass < CLASSES; sizeClass++) {
    if (counts[sizeClass] === 0) continue
    if (!isUncertain(sizeOf(sizeClass << 16), count, total)) break
    cut = sizeClass
    below = count
    sum = total
    count += counts[sizeClass] as number
    total += sums[sizeClass] as number
  }
  // Where no size of the cut class is in the rest, the limit is the largest f32 below that class.
  let limit = sizeOf((cut << 16) - 1)
  const inside = sizesInClass(sizes, cut)
  for (let from = 0, to = 0; from < inside.length; from = to) {
    const size = inside[from] as number
    while (inside[to] === size) to++
    if (!isUncertain(size, below, sum)) break
    limit = size
    below += to - from
    sum += (to - from) * size
  }
  return { limit, count: below, sum }
}

/**
 * The inclusion probabilities p_i = min(1, c q_i) with sum `count` that `drawWeighted` describes, of samples of which fewer than `count` have no loss.
 *
 * With s samples that have a loss, of them `certain` have c q_i >= 1, m = count - unseen - certain (at least 1), D = floor(2^51 / m) and R the sum of q
 * over the others, each of these others has
 * ```
 * Q_i = min(D, ceil(q_i * (D m / R)))     whole = max(sum Q, D m)     units_i = m Q_i
 * ```
 * Where sum Q is below D m, for which f64 would have to lose more than rounding up adds, the first samples that have room below D are raised
 * until it is D m; there is room, as at least m samples are uncertain.
 * So the units add up to m whole, exactly; none is above `whole`, and none of a sample that has a q_i above 0 is 0. Units of certain samples
 * and of those without a loss: `whole`.
 * Sums of sizes are in f64, of the classes of tally() from the smallest on, then of the sizes of the cut class.
 */
export function toInclusion(sizes: Float32Array, count: number, uniformShare: number): Inclusion {
  const tallied = tally(sizes)
  const seenCount = count - (sizes.length - tallied.seen)
  const line = toLine(tallied, uniformShare)
  const rest = findRest(sizes, tallied, line, seenCount)
  const drawn = seenCount - (tallied.seen - rest.count)
  const most = Math.floor(ALL_UNITS / drawn)
  // Sizes that are all 0 are equal, also where q is 0, or too small for f64.
  const { slope, base } = rest.sum > 0 ? line : { slope: 0, base: 1 }
  const scale = (most * drawn) / (slope * rest.sum + base * rest.count)
  const units = new Float64Array(sizes.length)
  const isCertain = (size: number) => size < 0 || size > rest.limit
  let total = 0
  for (let i = 0; i < units.length; i++) {
    const size = sizes[i] as number
    if (isCertain(size)) continue
    units[i] = Math.min(most, Math.ceil((slope * size + base) * scale))
    total += units[i] as number
  }
  const whole = Math.max(total, most * drawn)
  let missing = whole - total
  for (let i = 0; i < units.length; i++) {
    if (isCertain(sizes[i] as number)) {
      units[i] = whole
      continue
    }
    const raise = Math.min(missing, most - (units[i] as number))
    units[i] = drawn * ((units[i] as number) + raise)
    missing -= raise
  }
  return { units, whole }
}
