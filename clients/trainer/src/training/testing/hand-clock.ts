import { afterEach, beforeEach, vi } from 'vitest'

/** A clock for all tests of a file that moves only when told to: returns what moves it, by seconds. */
export function handClock(): (seconds: number) => void {
  let now = 0
  beforeEach(() => {
    now = 100
    vi.spyOn(performance, 'now').mockImplementation(() => now * 1000)
  })
  afterEach(() => vi.restoreAllMocks())
  return (seconds) => {
    now += seconds
  }
}
