import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DemoSettings, PolicyName } from './arm.js'
import { startChild } from './child.js'
import { findCommand } from './find-command.js'
import { type ArmFigures, readResult } from './read-result.js'
import type { SamplerProcess } from './start-sampler-process.js'

/**
 * Trains one policy in a trainer process of its own, which shows its progress here.
 *
 * @param directory where the trainer's metrics go
 * @param stop aborts with the name of the signal that the trainer is to get
 * @throws {Error} if the trainer fails or is stopped, or the sampler ends before it; the trainer has ended then
 */
export async function trainArm(
  policy: PolicyName,
  settings: DemoSettings,
  sampler: SamplerProcess,
  directory: string,
  stop: AbortSignal,
): Promise<ArmFigures> {
  const metrics = join(directory, `${policy}.jsonl`)
  const { epochs, model, backend, seed, batchSize, limit } = settings
  const options = {
    address: sampler.address,
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
  const trainer = startChild([findCommand('@keepset/trainer'), ...flags], 'inherit')
  const passOn = () => trainer.process.kill(stop.reason as NodeJS.Signals)
  stop.addEventListener('abort', passOn)
  const samplerEnded = sampler.ended.then(({ text }) => {
    throw new Error(`the sampler ended with ${text} while ${policy} trained`)
  })
  try {
    const { succeeded, text } = await Promise.race([trainer.ended, samplerEnded])
    if (!succeeded) throw new Error(`the trainer of ${policy} ended with ${text}`)
    return readResult(policy, readFileSync(metrics, 'utf8'))
  } finally {
    trainer.process.kill()
    await trainer.ended
    stop.removeEventListener('abort', passOn)
  }
}
