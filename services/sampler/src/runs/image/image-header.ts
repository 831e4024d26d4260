import { isDeepStrictEqual } from 'node:util'
import type { PlanReason } from '../../core/plans/epoch-rule.js'
import { MAX_WORLD_SIZE, type RunProgress } from '../run.js'
import { RunError } from '../run-error.js'
import { isRunId } from '../run-id.js'
import { type RequestedRunSpec, type RunSpec, resolveRunSpec } from '../run-spec.js'
import type { RunState } from '../run-state.js'
import { ImageError } from './image-error.js'

/** What comes before the arrays of an image, and says how long they are. */
export interface ImageHeader {
  readonly runId: string
  readonly spec: RunSpec
  readonly createTime: number
  readonly state: RunState
  /** Ranks of the planned epoch, and of the one before it. */
  readonly ranks: number
  readonly previousRanks: number
  /** Samples in the kept set of the last selection. */
  readonly keptCount: number
}

const MAX_U32 = 0xffffffff

/** An object of a header before its fields are checked. */
interface Unchecked {
  readonly [name: string]: unknown
  readonly runId?: unknown
  readonly spec?: unknown
  readonly state?: unknown
  readonly isFinished?: unknown
  readonly progress?: unknown
  readonly plan?: unknown
  readonly reason?: unknown
}

/** The header as JSON, its keys sorted: equal runs have equal images. */
export function encodeHeader({ spec, ...rest }: ImageHeader): string {
  return JSON.stringify({ ...rest, spec: { ...spec, seed: spec.seed.toString() } }, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

/** Checks every field: an image may come from anywhere. Throws an ImageError that names the first bad one. */
export function decodeHeader(text: string): ImageHeader {
  const header = asObject('header', parse(text))
  const state = asObject('state', header.state)
  const spec = decodeSpec(asObject('spec', header.spec))
  const count = (from: Unchecked, name: string, max = Number.MAX_SAFE_INTEGER, min = 0) => {
    const value = from[name]
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
    throw new ImageError(`${name} is ${JSON.stringify(value)}; it must be a whole number from ${min} to ${max}`)
  }
  const optionalCount = (from: Unchecked, name: string) =>
    from[name] === undefined ? undefined : count(from, name, MAX_U32)
  const progress = asObject('progress', state.progress)
  const plan = state.plan === undefined ? undefined : asObject('plan', state.plan)
  const { runId } = header
  if (typeof runId !== 'string' || !isRunId(runId)) throw new ImageError(`runId is ${JSON.stringify(runId)}`)
  const decoded: ImageHeader = {
    runId,
    spec,
    createTime: count(header, 'createTime'),
    state: {
      progress: decodeProgress((name) => count(progress, name)),
      updateTime: count(state, 'updateTime'),
      isFinished: asBoolean('isFinished', state.isFinished),
      generation: count(state, 'generation', MAX_U32, 1),
      rewoundTo: optionalCount(state, 'rewoundTo'),
      selectionEpoch: count(state, 'selectionEpoch', MAX_U32),
      plan: plan && {
        epoch: count(plan, 'epoch', MAX_U32 - 1),
        reason: asReason(plan.reason),
        worldSize: count(plan, 'worldSize', MAX_WORLD_SIZE, 1),
      },
    },
    ranks: count(header, 'ranks', MAX_WORLD_SIZE),
    previousRanks: count(header, 'previousRanks', MAX_WORLD_SIZE),
    keptCount: count(header, 'keptCount', spec.sampleCount),
  }
  checkTogether(decoded)
  return decoded
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ImageError('the header is no JSON', { cause: error })
  }
}

function asObject(name: string, value: unknown): Unchecked {
  if (typeof value === 'object' && value !== null) return value as Unchecked
  throw new ImageError(`${name} is ${JSON.stringify(value)}; it must be an object`)
}

function asBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new ImageError(`${name} is ${JSON.stringify(value)}; it must be true or false`)
}

const reasons: Record<PlanReason, true> = { warmup: true, selected: true, reused: true, tail: true }

function asReason(value: unknown): PlanReason {
  if (typeof value === 'string' && Object.hasOwn(reasons, value)) return value as PlanReason
  throw new ImageError(`reason is ${JSON.stringify(value)}; it must be one of ${Object.keys(reasons).join(', ')}`)
}

function decodeProgress(count: (name: keyof RunProgress) => number): RunProgress {
  return {
    epochsPlanned: count('epochsPlanned'),
    samplesPlanned: count('samplesPlanned'),
    selections: count('selections'),
    reports: count('reports'),
    observations: count('observations'),
    nonFinite: count('nonFinite'),
    repeats: count('repeats'),
  }
}

/** A spec as it was resolved when the run was created: resolving it again must change nothing. */
function decodeSpec(json: Unchecked): RunSpec {
  try {
    const { policy, seed, ...rest } = json
    const { name, ...settings } = asObject('spec.policy', policy)
    const requested = { totalEpochs: undefined, ...rest, seed: BigInt(seed as string), policy: { name, settings } }
    const spec = resolveRunSpec(requested as unknown as RequestedRunSpec)
    if (isDeepStrictEqual(spec, { ...requested, policy: { name, ...settings } })) return spec
    throw new ImageError('its spec is not as this version would make it')
  } catch (error) {
    if (error instanceof ImageError) throw error
    const why = error instanceof RunError ? error.message : String(error)
    throw new ImageError(`its spec cannot be used: ${why}`, { cause: error })
  }
}

function checkTogether({ state, ranks, keptCount, spec }: ImageHeader): void {
  const { plan, progress, selectionEpoch } = state
  const planned = plan === undefined ? 0 : plan.epoch + 1
  if (progress.epochsPlanned !== planned) {
    throw new ImageError(`epochsPlanned is ${progress.epochsPlanned}, but the plan made last says ${planned}`)
  }
  if ((plan?.worldSize ?? 0) !== ranks) throw new ImageError(`ranks is ${ranks}, worldSize ${plan?.worldSize}`)
  if (progress.selections > 0 !== keptCount > 0) {
    throw new ImageError(`keptCount is ${keptCount} after ${progress.selections} selections`)
  }
  if (selectionEpoch > planned) throw new ImageError(`selectionEpoch ${selectionEpoch} has no plan yet`)
  if (progress.samplesPlanned > planned * spec.sampleCount) {
    throw new ImageError(`samplesPlanned is ${progress.samplesPlanned} in ${planned} epochs of ${spec.sampleCount}`)
  }
  const needsKeptSet = plan?.reason === 'selected' || plan?.reason === 'reused'
  if (needsKeptSet && keptCount === 0) throw new ImageError(`a plan that was ${plan.reason} has no kept set`)
}
