import { describe, expect, it } from 'vitest'
import { readPolicySettings } from './policy-settings.js'

describe('readPolicySettings', () => {
  it.each([
    ['epsilon=0.2,alpha=.5,initial=zero', { epsilon: 0.2, alpha: 0.5, initial: 'zero' }],
    ['groups=5', { groups: 5 }],
    ['metric=el2n,scores_from=1,scores_from=b.c', { metric: 'el2n', scores_from: ['1', 'b.c'] }],
    ['scores_from=first', { scores_from: ['first'] }],
    ['tau=', { tau: '' }],
    ['tau', { tau: '' }],
    ['', { '': '' }],
    ['c=many', { c: 'many' }],
    ['unknown=1=2', { unknown: '1=2' }],
    ['constructor=1', { constructor: '1' }],
  ])('reads %j', (given, settings) => {
    expect(readPolicySettings(given)).toEqual(settings)
  })
})
