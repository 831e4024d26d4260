import { ruleOfEpoch } from '../../core/plans/epoch-rule.js'
import { countIsOwn } from '../../core/policies/registry.js'
import { MAX_BINS } from '../../core/selection/selection-summary.js'
import { MAX_WORLD_SIZE } from '../run.js'
import { isRunId } from '../run-id.js'
import type { RunSpec } from '../run-spec.js'
import { type HeldSelection, MAX_SELECTIONS, type RunState } from '../run-state.js'
import { decodeSpec } from './decode-spec.js'
import { Fields } from './fields.js'
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

/** Counts that only go up by one: half of u32, so that no run that comes in an image ever reaches the end of it. */
const MAX_STEPS = 0x7fffffff

/** Latest time, in milliseconds since 1970, that the wire can tell: the end of the year 9999. */
const MAX_TIME = 253_402_300_799_999

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
  const header = Fields.of('header', parse(text))
  const spec = decodeSpec(header.object('spec'))
  const runId = header.text('runId')
  if (!isRunId(runId)) throw new ImageError(`runId is ${JSON.stringify(runId.slice(0, 200))}; it cannot name a run`)
  const decoded: ImageHeader = {
    runId,
    spec,
    createTime: header.count('createTime', MAX_TIME),
    state: decodeState(header.object('state')),
    ranks: header.count('ranks', MAX_WORLD_SIZE),
    previousRanks: header.count('previousRanks', MAX_WORLD_SIZE),
    keptCount: header.count('keptCount', spec.sampleCount),
  }
  checkTogether(decoded)
  checkSelections(decoded)
  return decoded
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ImageError('the header is no JSON', { cause: error })
  }
}

function decodeState(state: Fields): RunState {
  const progress = state.object('progress')
  const plan = state.optionalObject('plan')
  const total = (name: string) => progress.count(name, Number.MAX_SAFE_INTEGER)
  return {
    progress: {
      epochsPlanned: progress.count('epochsPlanned', MAX_STEPS),
      samplesPlanned: total('samplesPlanned'),
      selections: progress.count('selections', MAX_STEPS),
      reports: total('reports'),
      observations: total('observations'),
      nonFinite: total('nonFinite'),
      repeats: total('repeats'),
      scored: total('scored'),
      samplesPlannedElsewhere: total('samplesPlannedElsewhere'),
    },
    updateTime: state.count('updateTime', MAX_TIME),
    isFinished: state.boolean('isFinished'),
    generation: state.count('generation', MAX_STEPS, 1),
    rewoundTo: state.optionalU32('rewoundTo'),
    selectionEpoch: state.count('selectionEpoch', MAX_STEPS),
    selections: decodeSelections(state.list('selections')),
    plan: plan && {
      epoch: plan.count('epoch', MAX_STEPS - 1),
      reason: plan.oneOf('reason', ['warmup', 'selected', 'reused', 'tail']),
      worldSize: plan.count('worldSize', MAX_WORLD_SIZE, 1),
    },
  }
}

function decodeSelections(list: readonly unknown[]): HeldSelection[] {
  if (list.length > MAX_SELECTIONS)
    throw new ImageError(`it has ${list.length} selections, more than ${MAX_SELECTIONS}`)
  return list.map((value, i) => {
    const fields = Fields.of(`selections[${i}]`, value)
    return {
      epoch: fields.count('epoch', MAX_STEPS),
      keptCount: fields.u32('keptCount'),
      alwaysCount: fields.u32('alwaysCount'),
      neverCount: fields.u32('neverCount'),
      overlap: fields.optionalNumber('overlap'),
      timesKept: fields.counts('timesKept', MAX_BINS),
      binWidth: fields.u32('binWidth', 1),
    }
  })
}

/** Throws unless these selections can be those of the run. */
function checkSelections({ state, spec }: ImageHeader): void {
  const { selections: held, progress } = state
  const isRising = held.every(({ epoch }, i) => epoch > (held[i - 1]?.epoch ?? -1) && epoch < progress.epochsPlanned)
  const isOfAll = held.every(({ timesKept, alwaysCount, neverCount, keptCount, overlap = 0 }) => {
    const all = timesKept.reduce((sum, count) => sum + count, 0)
    const isShare = overlap >= 0 && overlap <= 1
    return all === spec.sampleCount && alwaysCount + neverCount <= all && keptCount <= all && isShare
  })
  if (held.length === Math.min(progress.selections, MAX_SELECTIONS) && isRising && isOfAll) return
  throw new ImageError(`its ${held.length} selections are not those of the run: that does not fit together`)
}

/** Throws unless the header is one that a run with these settings can come to. */
function checkTogether({ state, ranks, keptCount, spec }: ImageHeader): void {
  const { plan, progress, selectionEpoch } = state
  const { epochsPlanned, samplesPlanned, selections } = progress
  const expect = (holds: boolean, problem: string) => {
    if (!holds) throw new ImageError(`${problem}: that does not fit together`)
  }
  expect(epochsPlanned === (plan ? plan.epoch + 1 : 0), `${epochsPlanned} epochs planned, the last ${plan?.epoch}`)
  expect(ranks === (plan?.worldSize ?? 0), `${ranks} ranks, world size ${plan?.worldSize}`)
  expect(selections <= epochsPlanned, `${selections} selections in ${epochsPlanned} epochs`)
  expect(
    samplesPlanned >= epochsPlanned && samplesPlanned <= epochsPlanned * spec.sampleCount,
    `${samplesPlanned} samples planned in ${epochsPlanned} epochs of ${spec.sampleCount}`,
  )
  const reason = plan && ruleOfEpoch(spec, plan.epoch).reason
  expect(plan?.reason === reason, `the plan of epoch ${plan?.epoch} was ${plan?.reason}, and should be ${reason}`)
  if (selections === 0) {
    expect(keptCount === 0 && selectionEpoch === 0, `${keptCount} samples kept in epoch ${selectionEpoch}`)
    expect(reason !== 'selected' && reason !== 'reused', `a plan that was ${reason} without a selection`)
    return
  }
  const selected = ruleOfEpoch(spec, selectionEpoch)
  const isAsMany = selected.keptCount === keptCount || (keptCount > 0 && countIsOwn(spec.policy, selected.pruneRate))
  expect(
    selectionEpoch < epochsPlanned && selected.reason === 'selected' && isAsMany,
    `${keptCount} samples kept in epoch ${selectionEpoch}`,
  )
}
