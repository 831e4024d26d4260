import { expect } from 'vitest'
import { KeptSet } from '../../services/sampler/src/core/selection/kept-set.js'
import type { ByteStream, OpenedRecord, RunLease, RunStore, Snapshot } from '../../services/sampler/src/runs/ports.js'
import type { RunEvent } from '../../services/sampler/src/runs/run-event.js'
import type { StoreErrorReason } from '../../services/sampler/src/runs/store-error.js'

/** `selected`: ascending. */
export const planned = (epoch: number, selected?: readonly number[]): RunEvent => ({
  type: 'epoch_planned',
  time: 1_700_000_000_000 + epoch,
  epoch,
  worldSize: 1 + (epoch % 3),
  reason: selected ? 'selected' : 'warmup',
  ...(selected && {
    selected: {
      keptSet: KeptSet.of(selected, (selected.at(-1) ?? -1) + 1),
      summary: { alwaysCount: selected.length, neverCount: 0, overlap: undefined, timesKept: [1, 2], binWidth: 1 },
    },
  }),
})

/** Some with metrics, some without. */
export const reported = (epoch: number, sequence: number, losses: readonly number[] = [sequence, 0.5]): RunEvent => ({
  type: 'losses_reported',
  time: 1_700_000_000_500 + sequence,
  epoch,
  rank: epoch % 2,
  sequence,
  indices: Uint32Array.from(losses, (_, place) => sequence + place),
  losses: Float32Array.from(losses),
  ...(sequence % 3 === 0 && {
    metrics: [sequence % 7, 7].map((metric) => ({
      metric,
      values: Float32Array.from(losses, (loss) => loss - metric),
    })),
  }),
})

export const finished: RunEvent = { type: 'run_finished', time: 1_700_000_001_000 }

/** A snapshot whose image is a text, in pieces of some characters. */
export function snapshot(text: string, epochStart?: number, pieceLength = 5): Snapshot {
  const pieces = text.match(new RegExp(`[^]{1,${pieceLength}}`, 'g')) ?? []
  const image = pieces.map((piece) => Buffer.from(piece, 'latin1'))
  return epochStart === undefined ? { image } : { image, epochStart }
}

/** An image that breaks after its first piece. */
export function* brokenImage(): Generator<Uint8Array> {
  yield Buffer.from('the first piece')
  throw new Error('the image broke')
}

/** The text of an image. */
export async function textOf(image: ByteStream): Promise<string> {
  let text = ''
  for await (const piece of image) text += Buffer.from(piece).toString('latin1')
  return text
}

/** An event as a text that is equal only for events that are equal bit for bit. */
export function show(event: RunEvent): string {
  return JSON.stringify(event, (_, value) => {
    if (!ArrayBuffer.isView(value)) return value
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  })
}

/** What can be read of a record. */
export interface ReadRecord {
  readonly image: string
  readonly events: readonly string[]
}

export async function readRecord({ image, events }: Pick<OpenedRecord, 'image' | 'events'>): Promise<ReadRecord> {
  const text = await textOf(image)
  const shown: string[] = []
  for await (const event of events) shown.push(show(event))
  return { image: text, events: shown }
}

/** Opens a record and reads all of it. */
export async function openWhole(store: RunStore, runId: string): Promise<ReadRecord & { lease: RunLease }> {
  const opened = await store.open(runId)
  return { lease: opened.lease, ...(await readRecord(opened)) }
}

/** Expects a StoreError. */
export async function refused(call: Promise<unknown>, ...reasons: StoreErrorReason[]): Promise<void> {
  const error = await call.then(
    () => 'no error',
    (refusal: unknown) => refusal,
  )
  expect(error).toMatchObject({ name: 'StoreError' })
  expect(reasons).toContain((error as { reason: StoreErrorReason }).reason)
}
