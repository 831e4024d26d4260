import type { RunEvent } from '../../runs/run-event.js'

/** The event with its arrays in memory of its own: as they come they are parts of a larger one, which they would hold on to. */
export function withOwnArrays(event: RunEvent): RunEvent {
  if (event.type !== 'losses_reported') return event
  const { indices, losses, metrics = [] } = event
  const count = indices.length
  const buffer = new ArrayBuffer(4 * count * (2 + metrics.length))
  const copy = <T extends Uint32Array | Float32Array>(
    values: T,
    place: number,
    View: new (buffer: ArrayBuffer, offset: number, length: number) => T,
  ): T => {
    const own = new View(buffer, 4 * count * place, count)
    own.set(values)
    return own
  }
  const arrays = { indices: copy(indices, 0, Uint32Array), losses: copy(losses, 1, Float32Array) }
  if (metrics.length === 0) return { ...event, ...arrays }
  const own = metrics.map(({ metric, values }, i) => ({ metric, values: copy(values, 2 + i, Float32Array) }))
  return { ...event, ...arrays, metrics: own }
}
