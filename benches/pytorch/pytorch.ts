import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { startSampler } from '../../services/sampler/src/bootstrap.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { showSpread } from '../support/summary.js'
import { short, table } from '../support/table.js'

const folder = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

interface Calls {
  readonly median: number
  readonly p99: number
}

interface Round {
  readonly epoch_ratio: number
  readonly plain_call_us: Calls
  readonly keepset_call_us: Calls
}

interface Shape {
  readonly step_ms: number
  readonly batch_size: number
  readonly rounds: readonly Round[]
}

function rowOf({ step_ms, batch_size, rounds }: Shape): string[] {
  const spread = (value: (round: Round) => number) => showSpread(rounds.map(value))
  return [
    `${short(step_ms)} ms, batch ${batch_size}`,
    spread((round) => round.epoch_ratio),
    spread((round) => round.keepset_call_us.median),
    spread((round) => round.keepset_call_us.p99),
    spread((round) => round.plain_call_us.median),
  ]
}

/** What a PyTorch training pays: the sampler runs in this process, the training in one of Python. */
export const pytorch: Bench = {
  name: 'pytorch',
  description: "a PyTorch loop's time for report(), and for whole epochs at prune rate 0 (needs npm test's Python)",
  goal: 'at most 1.01 at steps of 10 ms and more, and `report()` at most 50 µs',
  async run({ rounds, quick, dataDir }: BenchSettings): Promise<BenchOutcome> {
    const python = folder('../../clients/python/.venv/bin/python')
    if (!existsSync(python)) throw new Error(`${python} is missing: npm test makes it`)
    const samples = quick ? 1024 : 50_000
    const sampler = await startSampler({ dataDir }, pino({ level: 'silent' }))
    try {
      const { grpc } = sampler.addresses
      const flags = ['--address', grpc, '--rounds', String(rounds), '--samples', String(samples)]
      const { stdout } = await promisify(execFile)(
        python,
        [folder('overhead.py'), ...flags, ...(quick ? ['--quick'] : [])],
        {
          maxBuffer: 64 * 1024 * 1024,
        },
      )
      const { versions, measured } = JSON.parse(stdout) as { versions: unknown; measured: readonly Shape[] }
      const head = [
        'step',
        'epoch time, ratio to plain',
        'report(), median µs',
        'report(), p99 µs',
        'mean(), median µs',
      ]
      return { constants: { samples, store: 'file', versions }, measured, text: table(head, measured.map(rowOf)) }
    } finally {
      await sampler.stop()
    }
  },
}
