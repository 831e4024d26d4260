import type { RandomStream } from './random-stream.js'

/** Shuffles in place: every order is equally likely. Source: Fisher and Yates, from the end. */
export function shuffle(items: Uint32Array, random: RandomStream): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const item = items[i] as number
    items[i] = items[j] as number
    items[j] = item
  }
}
