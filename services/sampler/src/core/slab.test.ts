import { expect, it } from 'vitest'
import { Slab } from './slab.js'

it('gives each array bytes of its own, at a multiple of 4', () => {
  const slab = new Slab(1024)
  const lengths = Array.from({ length: 200 }, (_, i) => (i * 7) % 71)
  const arrays = lengths.map((length, i) => slab.take(length).fill(i))
  arrays.forEach((array, i) => {
    expect(array.byteOffset % 4).toBe(0)
    expect([...array]).toEqual(new Array(lengths[i]).fill(i))
  })
})

it('lets small arrays share a buffer, and gives a large one its own', () => {
  const slab = new Slab(1024)
  const [first, large, second] = [slab.take(64), slab.take(65), slab.take(64)]
  expect(second.buffer).toBe(first.buffer)
  expect(large.buffer.byteLength).toBe(65)
})
