import { connect, full, type Run } from '@keepset/client'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { byTurns, ratios } from '../support/by-turns.js'
import { lossesOf } from '../support/losses.js'
import { bundleService, ServiceProcess } from '../support/service-process.js'
import { quantile, showSpread } from '../support/summary.js'
import { table } from '../support/table.js'

const STEPS_MS = [3, 10]
const BATCH_SIZE = 256
/** Steps of an epoch; every other one reports. */
const STEPS = 400

/** Microseconds of a call. */
interface Calls {
  readonly median: number
  readonly p99: number
}

interface Round {
  readonly report: Calls
  readonly copy: Calls
}

/** What a training step does to the thread and its caches: arithmetic over more than fits the nearest ones. */
function work(milliseconds: number, scratch: Float32Array): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end) {
    for (let i = 0; i < scratch.length; i++) scratch[i] = (scratch[i] as number) * 0.5 + i
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

const callsOf = (times: readonly number[]): Calls => ({ median: quantile(times, 0.5), p99: quantile(times, 0.99) })

async function trainEpoch(run: Run, epoch: number, stepMs: number): Promise<Round> {
  const plan = await run.planEpoch(epoch)
  const scratch = new Float32Array(0x10000)
  const reports: number[] = []
  const copies: number[] = []
  let step = 0
  let copied = Buffer.alloc(0)
  for await (const { indices } of plan.batches(BATCH_SIZE)) {
    work(stepMs, scratch)
    const losses = lossesOf(BATCH_SIZE, step)
    const isReported = step++ % 2 === 0
    const start = performance.now()
    if (isReported) plan.report(indices, losses)
    else copied = Buffer.concat([bytesOf(indices), bytesOf(losses)])
    ;(isReported ? reports : copies).push(1000 * (performance.now() - start))
  }
  if (copied.length === 0) throw new Error('nothing was copied')
  await run.flush()
  return { report: callsOf(reports), copy: callsOf(copies) }
}

/** What a report costs the thread that trains in Node. */
export const nodeReport: Bench = {
  name: 'node-report',
  description: 'time of plan.report() on the calling thread, against copying the same bytes',
  goal: 'at steps of 3 ms at most 20 µs',
  async run({ rounds, seed, quick, dataDir }: BenchSettings): Promise<BenchOutcome> {
    const steps = quick ? 10 : STEPS
    const service = await ServiceProcess.start(await bundleService(dataDir))
    const client = connect(service.address)
    try {
      const runs: [string, (round: number) => Promise<Round>][] = []
      for (const stepMs of STEPS_MS) {
        const run = await client.createRun({ sampleCount: steps * BATCH_SIZE, policy: full(), seed })
        runs.push([`${stepMs} ms`, (round) => trainEpoch(run, round, stepMs)])
      }
      const measured = await byTurns<Round, string>(rounds, Object.fromEntries(runs))
      const head = ['step', 'report(), median µs', 'p99 µs', 'copy, median µs', 'p99 µs', 'median, ratio']
      const body = Object.entries(measured).map(([step, all]) => {
        const of = (call: keyof Round, value: keyof Calls) => all.map((round) => round[call][value])
        return [
          step,
          ...(['report', 'copy'] as const).flatMap((call) => [
            showSpread(of(call, 'median')),
            showSpread(of(call, 'p99')),
          ]),
          showSpread(ratios(of('report', 'median'), of('copy', 'median'))),
        ]
      })
      return { constants: { steps, batchSize: BATCH_SIZE }, measured, text: table(head, body) }
    } finally {
      client.close()
      await service.stop()
    }
  },
}
