import { HISTOGRAM } from './scratch'

// Sizes by class, and the samples that are not certain to be kept, as in core/selection/inclusion.ts, where each step is explained.

const CLASSES: u32 = 0x8000
const COUNTS = HISTOGRAM
const SUMS = HISTOGRAM + 0x20000
/** Once the class that is cut is known, nothing else is needed of the two. */
const LOW_COUNTS = HISTOGRAM
const LOW_COUNTS_BYTES: usize = 0x40000
const MAGNITUDE: u32 = 0x7fffffff

/** Samples that have a loss. */
export let seen: u32
/** q of a size w, up to a factor, is slope * w + base. */
export let slope: f64
export let base: f64
/** The samples with a loss that are not certain: their largest possible size, how many, and the sum of their sizes. */
export let limit: f32
export let restCount: u32
export let restSum: f64

/** Counts samples and adds up sizes by class. */
export function tallySizes(sizes: usize, n: u32): void {
  memory.fill(COUNTS, 0, SUMS - COUNTS + (<usize>CLASSES << 3))
  seen = 0
  for (let i: u32 = 0; i < n; i++) {
    const address = sizes + (<usize>i << 2)
    const size = load<f32>(address)
    if (size < 0) continue
    const sizeClass = (load<u32>(address) & MAGNITUDE) >>> 16
    const count = COUNTS + (<usize>sizeClass << 2)
    const sum = SUMS + (<usize>sizeClass << 3)
    store<u32>(count, load<u32>(count) + 1)
    store<f64>(sum, load<f64>(sum) + size)
    seen++
  }
}

/** Sets slope and base, of what is tallied. */
export function setLine(uniformShare: f64): void {
  let total: f64 = 0
  for (let sum = SUMS; sum < SUMS + (<usize>CLASSES << 3); sum += 8) total += load<f64>(sum)
  slope = (1 - uniformShare) * <f64>seen
  base = uniformShare * total
}

/** Makes q the same for all: for samples that are all of size 0. */
export function setLevelLine(): void {
  slope = 0
  base = 1
}

/** `below` samples, with `sum` of sizes, are smaller than `size`. */
function isUncertain(size: f32, below: u32, sum: f64, count: u32): bool {
  return slope * sum + base * <f64>below >= (slope * <f64>size + base) * (<f64>count - <f64>(seen - below))
}

/** Leaves in restCount and restSum the samples below the class that may be cut, which is the answer. */
function findCut(count: u32): u32 {
  let cut: u32 = 0
  let below: u32 = 0
  let sum: f64 = 0
  for (let sizeClass: u32 = 0; sizeClass < CLASSES; sizeClass++) {
    const inside = load<u32>(COUNTS + (<usize>sizeClass << 2))
    if (inside === 0) continue
    if (!isUncertain(reinterpret<f32>(sizeClass << 16), below, sum, count)) break
    restCount = below
    restSum = sum
    cut = sizeClass
    below += inside
    sum += load<f64>(SUMS + (<usize>sizeClass << 3))
  }
  return cut
}

function countLowHalf(address: usize, sizeClass: u32): void {
  const magnitude = load<u32>(address) & MAGNITUDE
  if (magnitude >>> 16 !== sizeClass || load<f32>(address) < 0) return
  const count = LOW_COUNTS + (<usize>(magnitude & 0xffff) << 2)
  store<u32>(count, load<u32>(count) + 1)
}

function countLowHalves(sizes: usize, n: u32, sizeClass: u32): void {
  memory.fill(LOW_COUNTS, 0, LOW_COUNTS_BYTES)
  const wanted = i32x4.splat(sizeClass)
  const magnitude = i32x4.splat(MAGNITUDE)
  const end = sizes + (<usize>n << 2)
  let address = sizes
  for (; address + 16 <= end; address += 16) {
    const classes = i32x4.shr_u(v128.and(v128.load(address), magnitude), 16)
    for (let found = i32x4.bitmask(i32x4.eq(classes, wanted)); found !== 0; found &= found - 1) {
      countLowHalf(address + (ctz(found) << 2), sizeClass)
    }
  }
  for (; address < end; address += 4) countLowHalf(address, sizeClass)
}

/** Finds the rest, of what is tallied, for `count` samples with a loss that are kept. The tables of classes are lost by it. */
export function findRest(sizes: usize, n: u32, count: u32): void {
  const cut = findCut(count)
  countLowHalves(sizes, n, cut)
  let limitBits = (cut << 16) - 1
  for (let low: u32 = 0; low < 0x10000; low++) {
    const equal = load<u32>(LOW_COUNTS + (<usize>low << 2))
    if (equal === 0) continue
    const bits = (cut << 16) | low
    const size = reinterpret<f32>(bits)
    if (!isUncertain(size, restCount, restSum, count)) break
    limitBits = bits
    restCount += equal
    restSum += <f64>equal * <f64>size
  }
  limit = reinterpret<f32>(limitBits)
}
