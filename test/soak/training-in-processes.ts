import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Trainer } from './trainers.js'
import { eachRank, type Training, type Witness } from './training.js'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const MAIN = path('trainer-process.ts')
/** Workspaces are taken from their sources. */
const TSCONFIG = path('../support/tsconfig.sources.json')

/** What a trainer process is told. JSON: the seed must be a number. */
export interface TrainerTask {
  readonly address: string
  readonly training: Training
  readonly rank: number
}

/** What it tells: that it got one thing done, or what it trains on. */
export type TrainerLine =
  | { readonly note: 'tick' }
  | { readonly note: 'digest' | 'order'; readonly epoch: number; readonly value: string }

/** Runs one process to its end, or kills it after `life` ticks. Returns whether it came to its end. */
async function runProcess(task: TrainerTask, { notes, tick, signal }: Witness, life: number): Promise<boolean> {
  const { rank } = task
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, JSON.stringify(task)], {
    env: { ...process.env, TSX_TSCONFIG_PATH: TSCONFIG },
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    signal,
  })
  child.on('error', () => undefined) // 'close' follows.
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  let ticks = 0
  try {
    // A line is shorter than what a pipe takes in one piece: a kill leaves no half of one.
    for await (const text of createInterface(child.stdout)) {
      const line = JSON.parse(text) as TrainerLine
      if (line.note === 'digest') notes.noteDigest({ epoch: line.epoch, rank }, line.value)
      else if (line.note === 'order') notes.noteOrder({ epoch: line.epoch, rank }, line.value)
      else {
        tick()
        if (++ticks === life) child.kill('SIGKILL')
      }
    }
  } finally {
    child.kill('SIGKILL')
  }
  const code = await closed
  if (code === 0) return true
  if (ticks >= life) return false
  throw new Error(`the trainer of rank ${rank} ended with ${code}: ${stderr}`)
}

/** A process for each rank, each killed `deaths` times, after 1 to `longestLife` ticks, and started again. */
export function inProcesses(deaths: number, longestLife: number, random: () => number): Trainer {
  return async (address, training, witness) => {
    await eachRank(training, async (rank) => {
      const task = { address, training, rank }
      for (let left = deaths; left > 0; left--) {
        if (await runProcess(task, witness, 1 + Math.floor(random() * longestLife))) return
      }
      await runProcess(task, witness, Number.POSITIVE_INFINITY)
    })
  }
}
