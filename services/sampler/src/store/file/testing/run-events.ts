import type { ByteStream, OpenedRecord, Snapshot } from '../../../runs/ports.js'
import type { LossesReported, RunEvent } from '../../../runs/run-event.js'

/** A report of `count` losses; the sequence tells it from others. */
export function reportOf(sequence: number, count = 2): LossesReported {
  const indices = Uint32Array.from({ length: count }, (_, i) => sequence + i)
  const losses = Float32Array.from(indices)
  return { type: 'losses_reported', time: 1000 + sequence, epoch: 0, rank: 0, sequence, indices, losses }
}

/** The sequences of reports. */
export const sequencesOf = (events: readonly RunEvent[]) =>
  events.map((event) => (event.type === 'losses_reported' ? event.sequence : event.type))

export function snapshotOf(text: string, epochStart?: number): Snapshot {
  const image = [new TextEncoder().encode(text)]
  return epochStart === undefined ? { image } : { image, epochStart }
}

export async function textOf(image: ByteStream): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of image) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

/** Reads a record to its end. */
export async function readWhole({ image, events }: OpenedRecord): Promise<{ image: string; sequences: unknown[] }> {
  const text = await textOf(image)
  const all: RunEvent[] = []
  for await (const event of events) all.push(event)
  return { image: text, sequences: sequencesOf(all) }
}
