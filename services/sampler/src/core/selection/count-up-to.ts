/** Digits of 11 bits: few enough for the caches, and three of them make a key. */
const DIGIT_BITS = 11
const DIGITS = 1 << DIGIT_BITS

/** Keys, and the position that each had at first. */
interface Positioned {
  readonly keys: Uint32Array
  readonly positions: Uint32Array
}

/** Sorts by the digit of the keys from bit `shift` on; those with the same one stay in their order. */
function sortByDigit(from: Positioned, shift: number, to: Positioned): void {
  const digitOf = (key: number) => (key >>> shift) & (DIGITS - 1)
  const { keys, positions } = from
  const ends = new Uint32Array(DIGITS)
  for (let i = 0; i < keys.length; i++) (ends[digitOf(keys[i] as number)] as number)++
  for (let digit = 1; digit < DIGITS; digit++) ends[digit] = (ends[digit] as number) + (ends[digit - 1] as number)
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i] as number
    const end = --(ends[digitOf(key)] as number)
    to.keys[end] = key
    to.positions[end] = positions[i] as number
  }
}

/** Of each key how many keys are not larger, itself included. The keys are lost. Time linear in keys.length, by a radix sort. */
export function countUpTo(keys: Uint32Array): Uint32Array {
  let sorted: Positioned = { keys, positions: Uint32Array.from(keys, (_, position) => position) }
  let other: Positioned = { keys: new Uint32Array(keys.length), positions: new Uint32Array(keys.length) }
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    sortByDigit(sorted, shift, other)
    ;[sorted, other] = [other, sorted]
  }
  const counts = other.positions
  for (let from = 0, to = 0; from < keys.length; from = to) {
    const key = sorted.keys[from]
    while (to < keys.length && sorted.keys[to] === key) to++
    for (let i = from; i < to; i++) counts[sorted.positions[i] as number] = to
  }
  return counts
}
