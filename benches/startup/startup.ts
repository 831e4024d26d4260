import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { byTurns, ratios, timed } from '../support/by-turns.js'
import { bundleService, ServiceProcess } from '../support/service-process.js'
import { showSpread } from '../support/summary.js'
import { table } from '../support/table.js'

async function timeService(program: string): Promise<number> {
  const start = performance.now()
  const service = await ServiceProcess.start(program)
  const stubs = new SamplerStubs(service.address)
  try {
    await stubs.dump()
    return performance.now() - start
  } finally {
    stubs.close()
    await service.stop()
  }
}

/** How soon a sampler is there. */
export const startup: Bench = {
  name: 'startup',
  description: 'from the start of a sampler process to the first answer, against a Node that does nothing',
  goal: 'at most 300 ms',
  async run({ rounds, dataDir }: BenchSettings): Promise<BenchOutcome> {
    const program = await bundleService(dataDir)
    const measured = await byTurns(rounds, {
      sampler: () => timeService(program),
      node: () => timed(() => once(spawn(process.execPath, ['-e', '0']), 'exit')),
    })
    const body = [
      [
        'keepset serve, to the first answer',
        showSpread(measured.sampler),
        showSpread(ratios(measured.sampler, measured.node)),
      ],
      ['node -e 0, to its end', showSpread(measured.node), ''],
    ]
    return { constants: { store: 'memory' }, measured, text: table(['', 'ms', 'ratio'], body) }
  },
}
