import { setImmediate as turn } from 'node:timers/promises'
import type { KillableSampler } from './killable-sampler.js'

/** Most turns of the event loop between the report at which a kill falls due and the kill: the sampler works on meanwhile. */
const MAX_TURNS = 60

/** Waits for some turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

/** `count` moments in a load of `ticks` ticks, rising. */
export function drawMoments(count: number, ticks: number, random: () => number): number[] {
  return Array.from({ length: count }, () => Math.ceil(random() * ticks)).sort((a, b) => a - b)
}

/** Kills a sampler under load, at moments that are counted in what the load got done, not in time. */
export class Killer {
  /** Rejects where the sampler did not come back; never resolves. */
  readonly failed: Promise<never>
  readonly #sampler: KillableSampler
  readonly #moments: number[]
  readonly #random: () => number
  #ticks = 0
  #killing: Promise<void> | undefined
  #fail: (error: unknown) => void = () => undefined

  constructor(sampler: KillableSampler, moments: readonly number[], random: () => number) {
    this.#sampler = sampler
    this.#moments = [...moments]
    this.#random = random
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => undefined)
  }

  /** The load got one thing done. */
  readonly tick = (): void => {
    this.#ticks++
    if (this.#killing || !this.#isDue()) return
    this.#killing = this.#killWhatIsDue().finally(() => {
      this.#killing = undefined
    })
    this.#killing.catch(this.#fail)
  }

  /** Resolves when the kills that fell due are over. */
  async settled(): Promise<void> {
    await this.#killing
  }

  #isDue(): boolean {
    return this.#moments[0] !== undefined && this.#moments[0] <= this.#ticks
  }

  /** Moments that passed while the sampler was down kill it right after it is back, while its clients come again. */
  async #killWhatIsDue(): Promise<void> {
    while (this.#isDue()) {
      this.#moments.shift()
      await turns(Math.floor(this.#random() * MAX_TURNS))
      await this.#sampler.running()
      await this.#sampler.kill()
    }
  }
}
