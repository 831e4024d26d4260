import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { type DemoSettings, policies } from './arm.js'
import { drawAccuracyOverTime } from './curves.js'
import type { ArmFigures } from './read-result.js'
import { explain, makeReport } from './report.js'
import { renderReportPage } from './report-page.js'
import { formatTable } from './result-table.js'
import { startSamplerProcess } from './start-sampler-process.js'
import { trainArm } from './train-arm.js'

interface DemoOptions extends DemoSettings {
  readonly out: string
  readonly picture: string | undefined
}

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

/** Aborts with the name of the signal that asked the demo to end. A terminal's Ctrl-C may come twice, so the handlers stay. */
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort(signal))

async function trainArms(settings: DemoSettings, directory: string): Promise<ArmFigures[]> {
  const sampler = await startSamplerProcess(join(directory, 'sampler'))
  try {
    console.log(
      `Trains ${policies.join(', ')} for ${settings.epochs} epochs each; with the defaults it takes about two minutes.`,
    )
    console.log(`sampler at ${sampler.address}, process ${sampler.processId}; the policies train one after another`)
    const results = []
    for (const policy of policies) {
      stop.signal.throwIfAborted()
      console.log(`\n${policy}`)
      results.push(await trainArm(policy, settings, sampler, directory, stop.signal))
    }
    return results
  } finally {
    await sampler.stop()
  }
}

async function runDemo({ out, picture, ...settings }: DemoOptions): Promise<void> {
  mkdirSync(out, { recursive: true })
  const directory = mkdtempSync(join(tmpdir(), 'keepset-demo-'))
  try {
    const report = makeReport(settings, await trainArms(settings, directory))
    console.log(`\n${formatTable(report.arms)}\n\n${explain(report).join('\n')}`)
    writeFileSync(join(out, 'demo-report.json'), `${JSON.stringify(report, null, 2)}\n`)
    writeFileSync(join(out, 'demo-report.html'), renderReportPage(report))
    if (picture) writeFileSync(picture, drawAccuracyOverTime(report.arms))
    console.log(`\nCurves: ${resolve(out, 'demo-report.html')}\nFigures: ${resolve(out, 'demo-report.json')}`)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const number = (value: string) => Number(value)

const program = new Command('demo')
  .description(
    `Trains ${policies.join(', ')} on the bundled images, one after another, and compares accuracy, time and saving`,
  )
  .option('--epochs <count>', 'epochs of each policy', number, 20)
  .option('--prune-rate <share>', 'share of the images left out, of all policies but full', number, 0.5)
  .option('--model <name>', 'mlp, cnn or resnet8', 'mlp')
  .option('--backend <name>', 'auto, tfjs-node-gpu, tfjs-node, wasm or cpu', 'auto')
  .option('--seed <number>', 'keys first weights and sampler', number, 0)
  .option('--batch-size <images>', 'images a training step', number, 128)
  .option('--limit <images>', 'train on the first images only', number)
  .option('--out <folder>', 'where demo-report.html and demo-report.json go', '.')
  .option('--picture <file>', 'write the curves alone too, as SVG')
  .action(runDemo)

try {
  await program.parseAsync()
} catch (error) {
  if (stop.signal.aborted) {
    process.exitCode = exitCodes[stop.signal.reason as keyof typeof exitCodes]
  } else {
    console.error(`demo: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}
