import type { SpecJson } from './oracle.mjs'

export interface RunSettings {
  selectionPeriod: number
  warmupEpochs: number
  tailEpochs: number
  weights: boolean
  scoreLeftOut: boolean
}

export function runSettings(spec: SpecJson): RunSettings
