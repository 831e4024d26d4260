import { describe, expect, it } from 'vitest'
import { PreconditionError } from './errors.js'
import { Sequences } from './sequences.js'

function report(sequences: Sequences, epoch: number, rank: number): number {
  const sequence = sequences.next(epoch, rank)
  sequences.commit(rank)
  return sequence
}

describe('Sequences', () => {
  it('counts 1, 2, 3 for each rank and starts again with each epoch', () => {
    const sequences = new Sequences()
    sequences.begin(0, 0, 0)
    sequences.begin(0, 1, 0)
    expect([report(sequences, 0, 0), report(sequences, 0, 0), report(sequences, 0, 1)]).toEqual([1, 2, 1])
    expect(sequences.ofEpochBefore(1, 0)).toBe(2)
    expect(sequences.ofEpochBefore(1, 1)).toBe(1)
    sequences.begin(1, 0, 0)
    expect(report(sequences, 1, 0)).toBe(1)
    expect(sequences.ofEpochBefore(1, 0)).toBe(2)
  })

  it('gives a sequence only once it is committed', () => {
    const sequences = new Sequences()
    sequences.begin(0, 0, 0)
    expect([sequences.next(0, 0), sequences.next(0, 0)]).toEqual([1, 1])
  })

  it('goes on counting when the plan of an epoch is asked for again', () => {
    const sequences = new Sequences()
    sequences.begin(0, 0, 0)
    report(sequences, 0, 0)
    sequences.begin(0, 0, 1)
    expect(report(sequences, 0, 0)).toBe(2)
    expect(sequences.ofEpochBefore(1, 0)).toBe(2)
  })

  it('goes on after the reports that the sampler has from before a restart', () => {
    const sequences = new Sequences()
    sequences.begin(4, 0, 7)
    expect(report(sequences, 4, 0)).toBe(8)
    expect(sequences.ofEpochBefore(5, 0)).toBe(8)
    expect(sequences.ofEpochBefore(4, 0)).toBe(0)
  })

  it('knows no reports of an epoch that it did not see', () => {
    const sequences = new Sequences()
    sequences.begin(0, 0, 0)
    report(sequences, 0, 0)
    expect(sequences.ofEpochBefore(2, 0)).toBe(0)
    expect(sequences.ofEpochBefore(1, 3)).toBe(0)
  })

  it('refuses a report of an epoch that is over', () => {
    const sequences = new Sequences()
    sequences.begin(0, 0, 0)
    sequences.begin(1, 0, 0)
    expect(() => sequences.next(0, 0)).toThrow(PreconditionError)
  })
})
