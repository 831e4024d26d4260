import { fillRandom } from './philox'
import { RANDOM, RANDOM_END } from './scratch'

// The stream of the call that is running: every kernel that draws opens its own, so that nothing is left of it between calls.
let key0: u32
let key1: u32
let streamEpoch: u32
let streamPurpose: u32
/** First block that has not been computed. */
let nextBlock: u32
/** Address of the next number. */
let position: usize

/** Opens the stream of (seed, epoch, purpose) at its start. */
export function openStream(seedLow: u32, seedHigh: u32, epoch: u32, purpose: u32): void {
  key0 = seedLow
  key1 = seedHigh
  streamEpoch = epoch
  streamPurpose = purpose
  nextBlock = 0
  position = RANDOM_END
}

function refill(): void {
  fillRandom(nextBlock, key0, key1, streamEpoch, streamPurpose)
  nextBlock += <u32>(RANDOM_END - RANDOM) / 16
  position = RANDOM
}

/** How many numbers have been drawn; fewer than 2^32 in any call. */
export function drawnSoFar(): u32 {
  return nextBlock * 4 - <u32>(RANDOM_END - position) / 4
}

/** Goes to where `drawn` numbers have been drawn. */
export function seek(drawn: u32): void {
  nextBlock = drawn / 4
  refill()
  position += (drawn % 4) * 4
}

/** The next number, uniform over all u32. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function next(): u32 {
  if (position === RANDOM_END) refill()
  const word = load<u32>(position)
  position += 4
  return word
}

/** A uniform integer in [0, n), as `below` in core/random/random-stream.ts. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function below(n: u32): u32 {
  let product = <u64>next() * n
  // The division is needed only where the low half is below n, since the bound of rejection is.
  while (<u32>product < n && <u32>product < (0 - n) % n) product = <u64>next() * n
  return <u32>(product >> 32)
}

/** Whether the next four numbers lie at hand; where not, draw one. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function hasFour(): bool {
  return position + 16 <= RANDOM_END
}

/** The next four numbers, which stay undrawn until `skipFour`. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function peekFour(): v128 {
  return v128.load(position)
}

// @ts-ignore: a decorator of AssemblyScript
@inline
export function skipFour(): void {
  position += 16
}
