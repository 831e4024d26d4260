import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EpochRecord, MetricsRecord, StartRecord, SummaryRecord } from '@keepset/trainer'
import type { ArmResult, DemoSettings, PolicyName } from './arm.js'
import { findCommand } from './find-command.js'

function isOf<T extends MetricsRecord>(type: T['type']) {
  return (record: MetricsRecord): record is T => record.type === type
}

/** An arm's result out of the records that its trainer wrote, but for the speed-up. */
function readResult(policy: PolicyName, path: string): Omit<ArmResult, 'speedUp'> {
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  const records = lines.map((line) => JSON.parse(line) as MetricsRecord)
  const start = records.find(isOf<StartRecord>('start'))
  const summary = records.find(isOf<SummaryRecord>('summary'))
  if (!start || !summary) throw new Error(`${path} is not complete`)
  return {
    policy,
    backend: start.backend,
    backendReason: start.backendReason,
    parameterCount: start.parameterCount,
    trainCount: start.trainCount,
    testCount: start.testCount,
    testAccuracy: summary.testAccuracy,
    samplesTrained: summary.samplesTrained,
    seconds: summary.seconds.total - summary.seconds.evaluate,
    samplerSeconds: summary.seconds.sampler,
    saving: summary.saving,
    curve: records.filter(isOf<EpochRecord>('epoch')).map(({ secondsSoFar, samplesTrained, testAccuracy }) => ({
      seconds: secondsSoFar.total - secondsSoFar.evaluate,
      samplesTrained,
      testAccuracy,
    })),
  }
}

/** Trains one policy in a trainer process of its own, which shows its progress here. */
export async function trainArm(
  policy: PolicyName,
  settings: DemoSettings,
  address: string,
  directory: string,
): Promise<Omit<ArmResult, 'speedUp'>> {
  const metrics = join(directory, `${policy}.jsonl`)
  const { epochs, model, backend, seed, batchSize, limit } = settings
  const options = {
    address,
    policy,
    model,
    backend,
    epochs,
    seed,
    metrics,
    'batch-size': batchSize,
    'prune-rate': policy === 'full' ? 0 : settings.pruneRate,
    ...(limit === undefined ? {} : { limit }),
  }
  const flags = Object.entries(options).flatMap(([flag, value]) => [`--${flag}`, String(value)])
  const trainer = spawn(process.execPath, [findCommand('@keepset/trainer'), ...flags], { stdio: 'inherit' })
  const kill = () => trainer.kill()
  process.once('exit', kill)
  const [code] = (await once(trainer, 'exit')) as [number | null]
  process.off('exit', kill)
  if (code !== 0) throw new Error(`the trainer of ${policy} ended with exit code ${code}`)
  return readResult(policy, metrics)
}
