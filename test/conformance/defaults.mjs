/** Settings of a run where its spec leaves them unset: what its policy says, or else what is said for all. */
import { policyOf } from './rules.mjs'

const everyEpoch = { selectionPeriod: 1 }

/** What a policy says of a run's settings, by its name: (its settings, total_epochs) → some of them. */
const byPolicy = {
  infoBatch: (_, totalEpochs) => ({
    selectionPeriod: 1,
    ...(totalEpochs === undefined ? {} : { tailEpochs: Math.floor(totalEpochs / 8 + 0.5) }),
    weights: true,
  }),
  rs2: () => everyEpoch,
  importance: () => ({ weights: true }),
  customScore: ({ draw }) => (draw ? { weights: true } : {}),
  seta: () => everyEpoch,
  repb: () => ({ ...everyEpoch, weights: true }),
  kakurenbo: () => ({ ...everyEpoch, scoreLeftOut: true }),
  ies: () => ({ ...everyEpoch, scoreLeftOut: true }),
  staticScore: ({ observeEpochs = 20 }) => ({ warmupEpochs: observeEpochs }),
}

const periodOf = (totalEpochs) => (totalEpochs === undefined ? 10 : Math.max(1, Math.floor((totalEpochs + 10) / 20)))

/** { selectionPeriod, warmupEpochs, tailEpochs, weights, scoreLeftOut } of a run, every one of them set. */
export function runSettings(spec) {
  const policy = policyOf(spec)
  const { weights, ...set } = {
    selectionPeriod: periodOf(spec.totalEpochs),
    warmupEpochs: 1,
    tailEpochs: 0,
    weights: false,
    scoreLeftOut: false,
    ...byPolicy[policy]?.(spec[policy], spec.totalEpochs),
  }
  for (const name of Object.keys(set)) set[name] = spec[name] ?? set[name]
  return { ...set, weights: spec.weights === undefined ? weights : spec.weights === 'WEIGHTS_MODE_ON' }
}
