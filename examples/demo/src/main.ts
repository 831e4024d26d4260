import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { type DemoSettings, policies } from './arm.js'
import { drawAccuracyOverTime } from './curves.js'
import { explain, makeReport } from './report.js'
import { renderReportPage } from './report-page.js'
import { formatTable } from './result-table.js'
import { startSamplerProcess } from './start-sampler-process.js'
import { trainArm } from './train-arm.js'

interface DemoOptions extends DemoSettings {
  readonly out: string
  readonly picture: string | undefined
}

async function runDemo({ out, picture, ...settings }: DemoOptions): Promise<void> {
  mkdirSync(out, { recursive: true })
  const directory = mkdtempSync(join(tmpdir(), 'keepset-demo-'))
  const sampler = await startSamplerProcess()
  try {
    console.log(`sampler at ${sampler.address}, in a process of its own; each policy trains in another`)
    const results = []
    for (const policy of policies) {
      console.log(`\n${policy}`)
      results.push(await trainArm(policy, settings, sampler.address, directory))
    }
    const report = makeReport(settings, results)
    console.log(`\n${formatTable(report.arms)}\n\n${explain(report).join('\n')}`)
    writeFileSync(join(out, 'demo-report.json'), `${JSON.stringify(report, null, 2)}\n`)
    writeFileSync(join(out, 'demo-report.html'), renderReportPage(report))
    if (picture) writeFileSync(picture, drawAccuracyOverTime(report.arms))
    console.log(`\nCurves: ${resolve(out, 'demo-report.html')}\nFigures: ${resolve(out, 'demo-report.json')}`)
  } finally {
    await sampler.stop()
    rmSync(directory, { recursive: true })
  }
}

const number = (value: string) => Number(value)

const program = new Command('demo')
  .description(
    `Trains ${policies.join(', ')} on the bundled images, side by side, and reports accuracy, time and saving`,
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

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  await program.parseAsync()
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
