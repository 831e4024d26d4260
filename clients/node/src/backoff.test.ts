import { describe, expect, it } from 'vitest'
import { backoffDelay, RetryBudget, type Timing } from './backoff.js'

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
