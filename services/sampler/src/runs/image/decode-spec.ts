import type { PruneRateChange } from '../../core/plans/epoch-rule.js'
import { isPolicyName, resolvePolicy } from '../../core/policies/registry.js'
import { RunError } from '../run-error.js'
import { type RunSpec, resolveRunSpec } from '../run-spec.js'
import { Fields } from './fields.js'
import { ImageError } from './image-error.js'

const MAX_U64 = (1n << 64n) - 1n

/** Reads the settings of a run out of an image: every one of its type and in its range, and none besides. Throws an ImageError. */
export function decodeSpec(spec: Fields): RunSpec {
  try {
    return resolveRunSpec({
      sampleCount: spec.u32('sampleCount', 1),
      seed: decodeSeed(spec.text('seed')),
      pruneRate: spec.number('pruneRate'),
      pruneRateSchedule: spec.list('pruneRateSchedule').map(decodeChange),
      totalEpochs: spec.optionalU32('totalEpochs'),
      selectionPeriod: spec.u32('selectionPeriod'),
      warmupEpochs: spec.u32('warmupEpochs'),
      tailEpochs: spec.u32('tailEpochs'),
      shardMode: spec.oneOf('shardMode', ['pad', 'drop']),
      positionMultiple: spec.u32('positionMultiple'),
      nonFinite: spec.oneOf('nonFinite', ['ignore', 'reject']),
      metrics: spec.optionalTexts('metrics'),
      weights: spec.oneOf('weights', ['off', 'on']),
      weightCap: spec.optionalNumber('weightCap'),
      scoreSource: spec.oneOf('scoreSource', ['loss', 'batch_loss']),
      batchLossMomentum: spec.optionalNumber('batchLossMomentum'),
      scoreLeftOut: spec.boolean('scoreLeftOut'),
      policy: decodePolicy(spec.object('policy')),
    })
  } catch (error) {
    if (error instanceof RunError) throw new ImageError(`its spec cannot be used: ${error.message}`, { cause: error })
    throw error
  }
}

function decodeSeed(text: string): bigint {
  const seed = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined
  if (seed !== undefined && seed <= MAX_U64) return seed
  throw new ImageError(`seed is ${JSON.stringify(text.slice(0, 40))}; it must be from 0 to ${MAX_U64}`)
}

function decodeChange(change: unknown, i: number): PruneRateChange {
  const fields = Fields.of(`pruneRateSchedule[${i}]`, change)
  return { fromEpoch: fields.u32('fromEpoch'), pruneRate: fields.number('pruneRate') }
}

/** A policy with all of its settings, each of the type that its default has. */
function decodePolicy(policy: Fields) {
  const name = policy.text('name')
  if (!isPolicyName(name)) throw new ImageError(`policy is ${JSON.stringify(name.slice(0, 40))}, which is not known`)
  const { name: _, ...defaults } = resolvePolicy(name, {}).choice
  const settings = Object.entries(defaults).map(([key, value]) => [key, decodeSetting(policy, key, value)])
  return { name, settings: Object.fromEntries(settings) as Readonly<Record<string, unknown>> }
}

const TEXT_SETTINGS = { initial: ['first_loss', 'zero'], metric: ['forgetting', 'el2n', 'grand'] } as const

function decodeSetting(policy: Fields, key: string, byDefault: unknown): unknown {
  if (typeof byDefault === 'number') return policy.number(key)
  if (typeof byDefault === 'boolean') return policy.boolean(key)
  if (Array.isArray(byDefault)) return policy.optionalTexts(key)
  return policy.oneOf(key, TEXT_SETTINGS[key as keyof typeof TEXT_SETTINGS])
}
