/** Digits of nearly every decimal that people write, and digits that tell every f32 from its neighbours. */
const [fewestDigits, mostDigits] = [7, 9]

/**
 * The number to print in place of an f32, 0.1 and not 0.10000000149011612: its text has up to seven digits, and up to nine where reading the
 * same f32 back needs them.
 *
 * @param value a number that f32 holds exactly
 */
export function shortF32(value: number): number {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 24) return value
  for (let digits = fewestDigits; digits < mostDigits; digits++) {
    const shorter = Number(value.toPrecision(digits))
    if (Math.fround(shorter) === value) return shorter
  }
  return Number(value.toPrecision(mostDigits))
}
