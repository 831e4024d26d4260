import { describe, expect, it } from 'vitest'
import { formatAge, formatBytes, formatCount, formatEpochs, formatList, formatShare } from './format.js'

describe('format', () => {
  it.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1000, '1.0 kB'],
    [12_345_678, '12.3 MB'],
    [5e9, '5.0 GB'],
    [2e16, '20000.0 TB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  it.each([
    [-5, 'just now'],
    [0.9, 'just now'],
    [1, '1 second ago'],
    [59.9, '59 seconds ago'],
    [60, '1 minute ago'],
    [3599, '59 minutes ago'],
    [7200, '2 hours ago'],
    [86_400, '1 day ago'],
    [86_400 * 100, '100 days ago'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatAge(new Date(1e12), 1e12 + seconds * 1000)).toBe(text)
  })

  it('writes counts, shares, lists and epochs', () => {
    expect(formatCount(1_281_167)).toBe('1,281,167')
    expect(formatShare(0.4583)).toBe('45.8 %')
    expect([formatList([1]), formatList([1, 2]), formatList([1, 2, 3])]).toEqual(['1', '1 and 2', '1, 2, and 3'])
    expect([formatEpochs(3, 3), formatEpochs(3, 4), formatEpochs(3, 7)]).toEqual([
      'epoch 3',
      'epochs 3 and 4',
      'epochs 3 to 7',
    ])
  })
})
