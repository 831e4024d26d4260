import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { StoppedError } from './stop.js'
import { longWait, Stopwatch, secondsBetween, type TimedPart } from './stopwatch.js'
import { handClock } from './testing/hand-clock.js'

const pass = handClock()

describe('Stopwatch', () => {
  it('adds up each part, and the wall-clock time over all', async () => {
    const stopwatch = new Stopwatch()
    expect(await stopwatch.measure('train', () => pass(2))).toBeUndefined()
    expect(await stopwatch.measure('train', () => 'result')).toBe('result')
    await stopwatch.measure('sampler', async () => pass(0.5))
    pass(0.25)
    await stopwatch.measure('train', () => pass(1))
    expect(stopwatch.read()).toEqual({ train: 3, sampler: 0.5, score: 0, evaluate: 0, total: 3.75 })
  })

  it('counts work that fails', async () => {
    const stopwatch = new Stopwatch()
    const work = stopwatch.measure('evaluate', () => {
      pass(2)
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(stopwatch.read().evaluate).toBe(2)
  })

  it('goes on from the seconds of an interrupted training', async () => {
    const stopwatch = new Stopwatch({ train: 10, sampler: 1, score: 4, evaluate: 2, total: 18 })
    const before = stopwatch.read()
    await stopwatch.measure('evaluate', () => pass(3))
    await stopwatch.measure('score', () => pass(0.5))
    expect(stopwatch.read()).toEqual({ train: 10, sampler: 1, score: 4.5, evaluate: 5, total: 21.5 })
    expect(secondsBetween(before, stopwatch.read())).toEqual({
      train: 0,
      sampler: 0,
      score: 0.5,
      evaluate: 3,
      total: 3.5,
    })
  })
})

describe('a long wait', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Has the stopwatch measure work that takes so long. Returns how often it told of a long wait by then, and later. */
  async function tellings(part: TimedPart, milliseconds: number) {
    const told = vi.fn()
    const measured = new Stopwatch(undefined, told).measure(
      part,
      () => new Promise<void>((resolve) => setTimeout(resolve, milliseconds)),
    )
    await vi.advanceTimersByTimeAsync(milliseconds)
    await measured
    await vi.advanceTimersByTimeAsync(1e6)
    return told.mock.calls.length
  }

  it('for the sampler is told of once, while it lasts', async () => {
    expect(await tellings('sampler', 1000 * longWait - 1)).toBe(0)
    expect(await tellings('sampler', 1000 * longWait + 1)).toBe(1)
    expect(await tellings('sampler', 10_000 * longWait)).toBe(1)
  })

  it.each(['train', 'score', 'evaluate'] as const)('for the part %s is not', async (part) => {
    expect(await tellings(part, 10_000 * longWait)).toBe(0)
  })
})

describe('measureEach', () => {
  async function* items(closed: () => void) {
    try {
      for (const item of [1, 2, 3]) {
        pass(1)
        yield item
      }
      pass(0.5)
    } finally {
      closed()
    }
  }

  it('counts the waiting for items and for the end, not what is done with them', async () => {
    const stopwatch = new Stopwatch()
    const seen: number[] = []
    for await (const item of stopwatch.measureEach(
      'sampler',
      items(() => {}),
    )) {
      seen.push(item)
      pass(10)
    }
    expect(seen).toEqual([1, 2, 3])
    expect(stopwatch.read()).toEqual({ train: 0, sampler: 3.5, score: 0, evaluate: 0, total: 33.5 })
  })

  it('closes the items when the loop ends early', async () => {
    const closed = vi.fn()
    for await (const item of new Stopwatch().measureEach('sampler', items(closed))) if (item === 2) break
    expect(closed).toHaveBeenCalledOnce()
  })

  it('stops waiting for an item that does not come when the signal asks to', async () => {
    const controller = new AbortController()
    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<number>>(() => {}) }) }
    const waiting = new Stopwatch().measureEach('sampler', never, controller.signal).next()
    controller.abort()
    await expect(waiting).rejects.toThrow(StoppedError)
  })
})
