import { expect, it } from 'vitest'
import { KeyedMutex } from './keyed-mutex.js'
import { gate } from './testing/gate.js'

it('runs the work of a key one after the other, whatever comes of it, and that of others beside it', async () => {
  const mutex = new KeyedMutex()
  const seen: string[] = []
  const first = gate()
  const results = Promise.allSettled([
    mutex.run('a', async () => {
      seen.push('a1 begins')
      await first.opened
      seen.push('a1 ends')
      throw new Error('a1 failed')
    }),
    mutex.run('a', async () => {
      seen.push('a2')
      return 2
    }),
    mutex.run('b', async () => {
      seen.push('b')
    }),
  ])
  await mutex.run('b', async () => seen.push('b again'))
  expect(seen).toEqual(['a1 begins', 'b', 'b again'])
  first.open()
  expect(await results).toMatchObject([{ reason: new Error('a1 failed') }, { value: 2 }, { status: 'fulfilled' }])
  expect(seen.slice(3)).toEqual(['a1 ends', 'a2'])
  expect(await mutex.run('a', async () => 3)).toBe(3)
})
