import { crashRound, type RoundResult } from './crash-round.js'
import { KillableSampler } from './killable-sampler.js'
import { type Broken, STEPS, type Step } from './life-of-a-run.js'

/** Settings of a {@link soak}. */
export interface SoakOptions {
  /** Kills at least. */
  readonly kills: number
  /** Of the first round; each next one has the next seed. */
  readonly seed: number
  /** Folder for the sampler's data; the same for all rounds. */
  readonly dataDir: string
  /** Breaks it off. */
  readonly signal: AbortSignal
  /** Takes a line after each round. */
  progress(line: string): void
}

/** What a soak came to. */
export interface SoakResult extends RoundResult {
  readonly kills: number
  readonly rounds: number
  readonly firstSeed: number
  readonly seconds: number
  readonly node: string
}

/** Kills of a round: about one in 60 reports. */
const KILLS_OF_ROUND = 47

function addBroken(a: Broken, b: Broken): Broken {
  const add = (step: Step) => ({
    happened: a[step].happened + b[step].happened,
    didNot: a[step].didNot + b[step].didNot,
  })
  return Object.fromEntries(STEPS.map((step) => [step, add(step)])) as Broken
}

function add(a: RoundResult, b: RoundResult): RoundResult {
  return {
    runs: a.runs + b.runs,
    reports: a.reports + b.reports,
    observations: a.observations + b.observations,
    lost: a.lost + b.lost,
    doubled: a.doubled + b.doubled,
    broken: addBroken(a.broken, b.broken),
  }
}

/** Round after round, until the sampler was killed often enough. Rejects where a round does, and names its seed. */
export async function soak({ kills, seed, dataDir, signal, progress }: SoakOptions): Promise<SoakResult> {
  const start = performance.now()
  const sampler = await KillableSampler.start(dataDir)
  const rounds: RoundResult[] = []
  try {
    while (sampler.kills < kills) {
      const roundSeed = seed + rounds.length
      const killsOfRound = Math.min(KILLS_OF_ROUND, kills - sampler.kills)
      const name = `round-${rounds.length}`
      const round = await crashRound(sampler, { name, seed: roundSeed, kills: killsOfRound, signal }).catch((cause) => {
        const text = `round ${rounds.length} failed after ${sampler.kills} kills; --seed ${roundSeed} begins with it`
        throw new Error(text, { cause })
      })
      rounds.push(round)
      const { runs, reports, lost, doubled } = rounds.reduce(add)
      const seconds = Math.round((performance.now() - start) / 1000)
      progress(
        `${sampler.kills} of ${kills} kills, ${runs} runs, ${reports} reports, ${lost} lost, ${doubled} doubled, ${seconds} s`,
      )
    }
    await sampler.stop()
  } finally {
    await sampler.destroy()
  }
  return {
    kills: sampler.kills,
    rounds: rounds.length,
    firstSeed: seed,
    seconds: Math.round((performance.now() - start) / 1000),
    node: process.version,
    ...rounds.reduce(add),
  }
}
