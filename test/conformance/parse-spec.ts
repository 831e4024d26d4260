import { RunSpec } from '@keepset/proto'
import type { SpecJson } from './oracle.mjs'
import { policyOf } from './rules.mjs'

const enumNumbers: Record<string, number> = {
  SHARD_MODE_PAD: 1,
  SHARD_MODE_DROP: 2,
  INITIAL_STATISTICS_FIRST_LOSS: 1,
  INITIAL_STATISTICS_ZERO: 2,
  WEIGHTS_MODE_OFF: 1,
  WEIGHTS_MODE_ON: 2,
  SCORE_SOURCE_LOSS: 1,
  SCORE_SOURCE_BATCH_LOSS: 2,
  STATIC_METRIC_FORGETTING: 1,
  STATIC_METRIC_EL2N: 2,
  STATIC_METRIC_GRAND: 3,
}

const parseEnums = (settings: object) =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, enumNumbers[value] ?? value]))

/** RunSpec from proto3 JSON: what protobuf libraries do themselves; ours is generated without its JSON side. */
export function parseSpec(spec: SpecJson): RunSpec {
  const $case = policyOf(spec) as 'ucb'
  const { seed = '0', [$case]: settings = {}, ...rest } = spec
  return RunSpec.fromPartial({
    ...parseEnums(rest),
    seed: BigInt(seed),
    policy: { $case, value: parseEnums(settings) },
  })
}
