import type { Progress, Reason, SpecJson, Statistic } from './oracle.mjs'

/** A loss, or the value of a metric, in JSON: an f32 value, or a string where JSON has no number. */
export type LossJson = number | 'NaN' | 'Infinity' | '-Infinity'

/** A file of vectors/; README.md says what its fields mean. */
export interface Vector {
  description: string
  spec: SpecJson
  epochs: VectorEpoch[]
  progress: Progress
  statistics?: Statistic[]
}

export interface VectorEpoch {
  epoch: number
  worldSize: number
  expected: {
    reason: Reason
    selectionEpoch: number
    keptCount: number
    saving: number
    digest: string
    keptSet?: number[]
    keptSetDigest?: string
    weights?: number[]
    learningRateFactor?: number
    order?: number[]
    ranks: { rank: number; positionCount: number; positions?: number[]; positionsDigest?: string }[]
    /** By rank. */
    scoring?: number[][]
  }
  reports: VectorReport[]
}

export interface VectorReport {
  rank: number
  sequence: number
  /** Absent: what was trained on. */
  scoreOnly?: true
  sampleIndices: number[]
  losses: LossJson[]
  metrics?: Record<string, LossJson[]>
}

/** The folder of the vectors. */
export const VECTORS: string
export function format(value: unknown): string
/** File name → contents of every vector. */
export function makeVectors(): Map<string, string>
