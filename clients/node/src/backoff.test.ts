import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { backoffDelay, MAX_TIMER_MS, RetryBudget, systemTiming, type Timing } from './backoff.js'

describe('backoffDelay', () => {
  const settings = { initialMs: 100, maxMs: 1_000 }

  it('doubles its upper end with every attempt, up to the maximum', () => {
    const uppers = [0, 1, 2, 3, 4, 5, 60, 5_000].map((attempt) => backoffDelay(attempt, 1, settings))
    expect(uppers).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000])
  })

  it('spreads over the upper half', () => {
    expect(backoffDelay(2, 0, settings)).toBe(200)
    expect(backoffDelay(2, 0.5, settings)).toBe(300)
  })
})

describe('systemTiming', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })

  afterEach(() => {
    vi.useRealTimers()
  })

  it('waits longer than a timer of Node can', () => {
    const fired: string[] = []
    const month = 30 * 24 * 3_600_000
    expect(month).toBeGreaterThan(MAX_TIMER_MS)
    systemTiming.schedule(() => fired.push('month'), month)
    systemTiming.schedule(() => fired.push('never'), Number.POSITIVE_INFINITY)
    vi.advanceTimersByTime(month - 1)
    expect(fired).toEqual([])
    vi.advanceTimersByTime(1)
    expect(fired).toEqual(['month'])
    vi.advanceTimersByTime(12 * month)
    expect(fired).toEqual(['month'])
  })

  it('cancels a long wait in any part of it', () => {
    const fired: string[] = []
    const cancel = systemTiming.schedule(() => fired.push('late'), 2.5 * MAX_TIMER_MS)
    vi.advanceTimersByTime(2.2 * MAX_TIMER_MS)
    cancel()
    expect(vi.getTimerCount()).toBe(0)
    vi.advanceTimersByTime(MAX_TIMER_MS)
    expect(fired).toEqual([])
  })
})

describe('RetryBudget', () => {
  function clock() {
    const timing: Timing & { time: number } = {
      time: 0,
      now: () => timing.time,
      random: () => 0,
      schedule: () => () => {},
    }
    return timing
  }

  it('gives up when the trouble would outlast its limit, counted from the first failure', () => {
    const timing = clock()
    timing.time = 1_000_000
    const budget = new RetryBudget(timing, 1_000)
    const waits: number[] = []
    for (let delay = budget.nextDelay(); delay !== undefined; delay = budget.nextDelay()) {
      waits.push(delay)
      timing.time += delay
    }
    expect(waits).toEqual([25, 50, 100, 200, 400])
  })

  it('waits at least as long as the sampler asks for, and gives up when that is too long', () => {
    const timing = clock()
    const budget = new RetryBudget(timing, 1_000)
    expect([budget.nextDelay(300), budget.nextDelay(10), budget.nextDelay()]).toEqual([300, 50, 100])
    expect(budget.nextDelay(1_001)).toBeUndefined()
  })

  it('never gives up where the time is infinite', () => {
    const timing = clock()
    const budget = new RetryBudget(timing, Number.POSITIVE_INFINITY)
    budget.nextDelay()
    timing.time = 1e15
    expect(budget.nextDelay()).toBe(50)
  })

  it('starts anew after progress', () => {
    const timing = clock()
    const budget = new RetryBudget(timing, 100)
    expect([budget.nextDelay(), budget.nextDelay()]).toEqual([25, 50])
    expect(budget.nextDelay()).toBe(100)
    timing.time = 99
    expect(budget.nextDelay()).toBeUndefined()
    budget.progress()
    expect(budget.nextDelay()).toBe(25)
  })
})
