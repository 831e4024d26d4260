import { below, openStream } from './random-stream'

/**
 * Sets `count` of the `rest` zero bits among the first n, uniformly without replacement, ascending: selection sampling as `choose`
 * in core/random/choose.ts. Without a branch on what is drawn, which no processor could predict.
 */
export function addDrawn(
  bits: usize, rest: u32, count: u32, seedLow: u32, seedHigh: u32, epoch: u32, purpose: u32,
): void {
  openStream(seedLow, seedHigh, epoch, purpose)
  for (let address = bits; count > 0; address += 4) {
    let word = load<u32>(address)
    for (let zeros = ~word; zeros !== 0 && count > 0; zeros &= zeros - 1) {
      const isTaken = <u32>(below(rest) < count)
      word |= isTaken << ctz(zeros)
      count -= isTaken
      rest--
    }
    store<u32>(address, word)
  }
}
