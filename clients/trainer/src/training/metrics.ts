import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { PlanReason } from '@keepset/client'
import type { BackendName } from '../backends/backend.js'
import type { SelectionsSummary } from './selections-summary.js'
import type { TrainingSettings } from './settings.js'
import type { Seconds } from './stopwatch.js'
import { OptionError } from './train-options.js'

/** The software that a training ran on. */
export interface Environment {
  readonly backend: BackendName
  /** Why this backend. */
  readonly backendReason: string
  readonly versions: { readonly trainer: string; readonly node: string; readonly tensorflow: string }
}

/** First record: what is trained. */
export interface StartRecord extends Environment {
  readonly type: 'start'
  /** ISO 8601, UTC. */
  readonly time: string
  readonly runId: string
  readonly settings: TrainingSettings
  readonly parameterCount: number
  readonly trainCount: number
  readonly testCount: number
}

/** Where a training went on from a checkpoint. */
export interface ResumeRecord extends Environment {
  readonly type: 'resume'
  /** ISO 8601, UTC. */
  readonly time: string
  /** First epoch trained since. */
  readonly epoch: number
}

/** One epoch. */
export interface EpochRecord {
  readonly type: 'epoch'
  /** From 0. */
  readonly epoch: number
  /** Mean training loss of the images, each before its own step; null if it is not finite. */
  readonly loss: number | null
  /** Mean loss on the test images; null if it is not finite. */
  readonly testLoss: number | null
  /** Share of the test images classified rightly, 0 to 1. */
  readonly testAccuracy: number
  /** Samples in the kept set. */
  readonly keptCount: number
  /** Images trained on in this epoch. */
  readonly positionCount: number
  /** Images that it left out and scored by a forward pass. */
  readonly scoreCount: number
  /** keptCount over the size of the training set, 0 to 1. */
  readonly keptShare: number
  /** Share of the training set left out so far, by the sampler's count, 0 to 1. */
  readonly saving: number
  /** Epoch at which the kept set was chosen. */
  readonly selectionEpoch: number
  /** Why the kept set is what it is. */
  readonly reason: PlanReason
  /** Whether the losses were weighted. */
  readonly hasWeights: boolean
  /** What the learning rate of the epoch was multiplied by. */
  readonly learningRateFactor: number
  /** SHA-256 of the plan's indices, hex. */
  readonly digest: string
  /** Images trained on in a second of training and of waiting for the sampler, until the last batch is handed over: without scoring and what follows it. */
  readonly imagesPerSecond: number
  /** Images trained on since the start of the training. */
  readonly samplesTrained: number
  /** Left-out images scored since the start of the training. */
  readonly samplesScored: number
  /** Of this epoch. */
  readonly seconds: Seconds
  /** Since the start of the training. */
  readonly secondsSoFar: Seconds
}

/** Last record: the whole training. */
export interface SummaryRecord {
  readonly type: 'summary'
  readonly runId: string
  readonly epochs: number
  /** After the last epoch; null if it is not finite. */
  readonly testLoss: number | null
  /** After the last epoch, 0 to 1. */
  readonly testAccuracy: number
  readonly samplesTrained: number
  /** Left-out images scored by a forward pass, which the saving does not count. */
  readonly samplesScored: number
  /** Share of the training set left out, by the sampler's count, 0 to 1. */
  readonly saving: number
  /** What came of the selections, by the sampler's count; null where none was held. */
  readonly selections: SelectionsSummary | null
  readonly seconds: Seconds
}

export type MetricsRecord = StartRecord | ResumeRecord | EpochRecord | SummaryRecord

/** Collects the records of a training and writes each to a JSON-lines file, one a line, at once. */
export class MetricsLog {
  readonly #path: string | undefined
  readonly #records: MetricsRecord[]

  /**
   * @param path the file, started anew; folders are made where they lack; undefined = none
   * @param before records of the interrupted training that this one goes on with
   * @throws {OptionError} if the file cannot be written
   */
  constructor(path: string | undefined, before: readonly MetricsRecord[] = []) {
    this.#path = path
    this.#records = [...before]
    if (path === undefined) return
    try {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, before.map(toLine).join(''))
    } catch (error) {
      throw new OptionError(
        'metrics',
        path,
        `cannot be written (${(error as NodeJS.ErrnoException).code}): give another file`,
      )
    }
  }

  /** All records so far. */
  get records(): readonly MetricsRecord[] {
    return this.#records
  }

  /** The epochs so far. */
  get epochs(): EpochRecord[] {
    return this.#records.filter((record) => record.type === 'epoch')
  }

  append(record: MetricsRecord): void {
    this.#records.push(record)
    if (this.#path !== undefined) appendFileSync(this.#path, toLine(record))
  }
}

function toLine(record: MetricsRecord): string {
  return `${JSON.stringify(record)}\n`
}
