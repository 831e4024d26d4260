import { describe, expect, it } from 'vitest'
import { purpose } from '../core/random/random-stream.js'
import { SCRATCH_BYTES } from '../core/statistics/column-layout.js'
import { compileKernels, isSimdAvailable, Kernels } from './kernels.js'
import { kernelsWasm } from './kernels-wasm.js'
import { RunMemory } from './testing/run-memory.js'

const key = { seed: 5n, epoch: 1, purpose: purpose.order }

/** Ids of the sections of a module. */
function sectionIds(module: Buffer): number[] {
  const ids: number[] = []
  let at = 8
  while (at < module.length) {
    ids.push(module[at++] as number)
    let size = 0
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++] as number
      size |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at += size
  }
  return ids
}

describe('the module', () => {
  it('runs here', () => {
    expect(isSimdAvailable()).toBe(true)
  })

  it('is compiled once, and can be sent to a worker', () => {
    expect(compileKernels()).toBe(compileKernels())
    expect(structuredClone(compileKernels())).toBeInstanceOf(WebAssembly.Module)
  })

  it('has neither data (11) nor a start function (8), so that an instance leaves the memory as it is', () => {
    const ids = sectionIds(Buffer.from(kernelsWasm, 'base64'))
    expect(ids).toContain(10)
    expect(ids).not.toContain(8)
    expect(ids).not.toContain(11)
  })
})

describe('instances on one memory', () => {
  it('a new one changes nothing', () => {
    const run = new RunMemory(1000)
    const bytes = new Uint8Array(run.memory.buffer).fill(0x5a)
    new Kernels(compileKernels(), run.memory, run.columns)
    expect(bytes.every((byte) => byte === 0x5a)).toBe(true)
  })

  it('take turns without knowing of each other', () => {
    const [run, alone] = [new RunMemory(3000), new RunMemory(3000)]
    const second = new Kernels(compileKernels(), run.memory, run.columns)
    run.kernels.iota(run.items)
    second.shuffle(run.items, run.spare, 3000, key)
    run.kernels.shuffle(run.items, run.spare, 3000, { ...key, epoch: 2 })
    second.shuffle(run.items, run.spare, 3000, key)
    alone.kernels.iota(alone.items)
    for (const epoch of [1, 2, 1]) alone.kernels.shuffle(alone.items, alone.spare, 3000, { ...key, epoch })
    expect([...run.list('items')]).toEqual([...alone.list('items')])
  })

  it('observe leaves the scratch of a selection alone', () => {
    const run = new RunMemory(10)
    const scratch = new Uint8Array(run.memory.buffer, 0, SCRATCH_BYTES - 16).fill(0x5a)
    const losses = { indices: run.items, losses: run.losses, count: 10 }
    expect(run.kernels.observe(run.bits, losses, { alpha: 1, initial: 'zero' })).toEqual({
      observations: 1,
      nonFinite: 0,
      repeats: 9,
      scored: 0,
    })
    expect(scratch.every((byte) => byte === 0x5a)).toBe(true)
  })
})
