import type { SpecJson } from './oracle.mjs'
import type { Sample } from './rules.mjs'

type WeightedPolicy = 'importance' | 'selectiveBackprop' | 'customScore'

export function isWeightedDraw(spec: SpecJson): boolean
export const sizesOf: Record<WeightedPolicy, (settings: object, samples: readonly Sample[]) => (number | undefined)[]>
export const uniformShareOf: Record<WeightedPolicy, (settings: object) => number>
export function power(x: number, b: number): number
export function proportional(sizes: readonly number[], k: number): number[]
export function smooth(sizes: readonly number[], uniformShare: number): number[]
export function inclusion(sizes: readonly (number | undefined)[], k: number, uniformShare: number): number[]
