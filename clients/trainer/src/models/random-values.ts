/**
 * Fills arrays with uniform random numbers in plain JavaScript, so that a seed gives the same initial weights on every
 * backend. The generator is mulberry32 (Tommy Ettinger, public domain).
 *
 * @param seed an integer; its lower 32 bits count.
 * @returns a function that draws `size` values from [-limit, limit).
 */
export function createRandomValues(seed: number): (size: number, limit: number) => Float32Array {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
  return (size, limit) => Float32Array.from({ length: size }, () => (2 * next() - 1) * limit)
}
