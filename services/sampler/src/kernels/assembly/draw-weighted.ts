import { below, next, openStream } from './random-stream'
import { base, findRest, limit, restCount, restSum, seen, setLevelLine, setLine, slope, tallySizes } from './size-classes'

/** Units of all that is to be drawn, about. */
const ALL_UNITS: f64 = 0x8000000000000
/** Adding it to a whole number below 2^52 puts that into the low bits of the sum. */
const TWO_TO_52: f64 = 0x10000000000000

// Of the draw that is running. Units of a sample are whole numbers below 2^52, in f64, as `Inclusion` in core/selection/inclusion.ts has them.
let scale: f64
/** Most units of an uncertain sample, before they are multiplied by `drawn`. */
let most: f64
/** Uncertain samples that are kept. */
let drawn: f64
/** Units of probability 1. */
let whole: f64
/** Where the sample lies on the line of units, modulo whole. */
let position: u64
/** Where the next weight goes. */
let weightsEnd: usize

/** An integer uniform in [0, n), as core/random/below-large.ts. */
function belowLarge(n: u64): u64 {
  const range: u64 = 0x10000000000000
  const bound = range - (range % n)
  let x: u64
  do {
    x = <u64>(next() & 0xfffff) << 32
    x |= next()
  } while (x >= bound)
  return x % n
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function isUncertain(size: f32): bool {
  return size >= 0 && size <= limit
}

function unitsOf(size: f32): f64 {
  return min<f64>(most, ceil<f64>((slope * <f64>size + base) * scale))
}

/** The same of two; what it is for certain samples is not to be used. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function unitsOfTwo(sizes: v128): v128 {
  const q = f64x2.add(f64x2.mul(f64x2.splat(slope), sizes), f64x2.splat(base))
  return f64x2.pmin(f64x2.splat(most), f64x2.ceil(f64x2.mul(q, f64x2.splat(scale))))
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function areUncertain(sizes: v128): v128 {
  return v128.and(f64x2.ge(sizes, f64x2.splat(0)), f64x2.le(sizes, f64x2.splat(<f64>limit)))
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function highTwo(four: v128): v128 {
  return v128.shuffle<u32>(four, four, 2, 3, 0, 1)
}

/** Sum of the units of uncertain samples. Exact, in any order. */
function totalUnits(sizes: usize, n: u32): f64 {
  let first = f64x2.splat(0)
  let second = first
  const end = sizes + (<usize>n << 2)
  let address = sizes
  for (; address + 16 <= end; address += 16) {
    const four = v128.load(address)
    const low = f64x2.promote_low_f32x4(four)
    const high = f64x2.promote_low_f32x4(highTwo(four))
    first = f64x2.add(first, v128.and(unitsOfTwo(low), areUncertain(low)))
    second = f64x2.add(second, v128.and(unitsOfTwo(high), areUncertain(high)))
  }
  const sums = f64x2.add(first, second)
  let total = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
  for (; address < end; address += 4) {
    const size = load<f32>(address)
    if (isUncertain(size)) total += unitsOf(size)
  }
  return total
}

/** Takes a step of so many units, and writes the weight that the sample has if it is kept. Returns 1 if it is. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function step(units: u64, weight: f32): u32 {
  const all = <u64>whole
  position += units
  const isKept = position >= all
  position -= isKept ? all : 0
  store<f32>(weightsEnd, weight)
  weightsEnd += <usize>isKept << 2
  return <u32>isKept
}

/** Units that a sample has, of which `missing` more are wanted if it has room. Returns what is still missing. */
function stepOne(size: f32, bits: usize, i: u32, missing: f64): f64 {
  let units = whole
  if (isUncertain(size)) {
    const before = unitsOf(size)
    const raise = min<f64>(missing, most - before)
    units = drawn * (before + raise)
    missing -= raise
  }
  const address = bits + (i >>> 3)
  store<u8>(address, <u32>load<u8>(address) | (step(<u64>units, <f32>(whole / units)) << (i & 7)))
  return missing
}

/** Steps over two samples. Returns a bit for each. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function stepTwo(sizes: v128): u32 {
  const wholes = f64x2.splat(whole)
  const units = v128.bitselect(f64x2.mul(f64x2.splat(drawn), unitsOfTwo(sizes)), wholes, areUncertain(sizes))
  const weights = f32x4.demote_f64x2_zero(f64x2.div(wholes, units))
  const shift = f64x2.splat(TWO_TO_52)
  const integers = v128.xor(f64x2.add(units, shift), shift)
  const first = step(i64x2.extract_lane(integers, 0), f32x4.extract_lane(weights, 0))
  return first | (step(i64x2.extract_lane(integers, 1), f32x4.extract_lane(weights, 1)) << 1)
}

/** Walks over all samples. A weight lands at or before the size of its sample, which has been read. */
function walk(sizes: usize, bits: usize, n: u32, missing: f64): void {
  let i: u32 = 0
  for (; i < n && (missing > 0 || (i & 7) !== 0); i++) {
    missing = stepOne(load<f32>(sizes + (<usize>i << 2)), bits, i, missing)
  }
  for (; i + 8 <= n; i += 8) {
    const address = sizes + (<usize>i << 2)
    const low = v128.load(address)
    const high = v128.load(address, 16)
    let kept = stepTwo(f64x2.promote_low_f32x4(low))
    kept |= stepTwo(f64x2.promote_low_f32x4(highTwo(low))) << 2
    kept |= stepTwo(f64x2.promote_low_f32x4(high)) << 4
    kept |= stepTwo(f64x2.promote_low_f32x4(highTwo(high))) << 6
    store<u8>(bits + (i >>> 3), kept)
  }
  for (; i < n; i++) stepOne(load<f32>(sizes + (<usize>i << 2)), bits, i, 0)
}

/** Draws `count` of the `unseen` samples without a loss, by selection sampling. */
function drawUnseen(sizes: usize, bits: usize, n: u32, unseen: u32, count: u32): void {
  const weight = <f32>(<f64>unseen / <f64>count)
  for (let i: u32 = 0; count > 0 && i < n; i++) {
    if (!(load<f32>(sizes + (<usize>i << 2)) < 0)) continue
    const isTaken = <u32>(below(unseen) < count)
    const address = bits + (i >>> 3)
    store<u8>(address, <u32>load<u8>(address) | (isTaken << (i & 7)))
    if (isTaken) {
      store<f32>(weightsEnd, weight)
      weightsEnd += 4
    }
    count -= isTaken
    unseen--
  }
}

/**
 * Sets the bits of `count` of n samples, drawn without replacement in proportion to their sizes; count <= n, and no bit is set before. The weights of
 * those, ascending, take the place of the first sizes; the other sizes are lost. The twin is `drawWeighted` of core/selection/draw-weighted.ts.
 * All sums are exact or in the same order as there.
 */
export function drawWeighted(
  sizes: usize, bits: usize, n: u32, count: u32, uniformShare: f64,
  seedLow: u32, seedHigh: u32, epoch: u32, purpose: u32,
): void {
  tallySizes(sizes, n)
  const unseen = n - seen
  openStream(seedLow, seedHigh, epoch, purpose)
  weightsEnd = sizes
  if (count <= unseen) {
    drawUnseen(sizes, bits, n, unseen, count)
    return
  }
  setLine(uniformShare)
  findRest(sizes, n, count - unseen)
  drawn = <f64>(count - unseen - (seen - restCount))
  most = floor<f64>(ALL_UNITS / drawn)
  if (restSum === 0) setLevelLine()
  scale = (most * drawn) / (slope * restSum + base * <f64>restCount)
  const total = totalUnits(sizes, n)
  whole = max<f64>(total, most * drawn)
  position = belowLarge(<u64>whole)
  walk(sizes, bits, n, whole - total)
}
