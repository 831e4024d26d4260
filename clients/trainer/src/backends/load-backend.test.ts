import { describe, expect, it } from 'vitest'
import { BackendUnavailableError, loadBackend } from './load-backend.js'
import { whyNoNative } from './testing/native.js'

const noNative = await whyNoNative()
const noGpu = await loadBackend('tfjs-node-gpu').then(
  () => undefined,
  (error: Error) => error.message,
)

describe('loadBackend', () => {
  it('takes the first that loads and says why those before it did not', async () => {
    const { name, tf, reason } = await loadBackend('auto')
    expect(name).toBe(noGpu === undefined ? 'tfjs-node-gpu' : noNative === undefined ? 'tfjs-node' : 'wasm')
    expect(tf.getBackend()).toBe(name === 'wasm' ? 'wasm' : 'tensorflow')
    if (noGpu !== undefined) expect(reason).toMatch(/^tfjs-node-gpu: @tensorflow\/tfjs-node-gpu is not installed; /)
    expect(reason).toMatch(new RegExp(`(^|; )${name}: [^;]+$`))
    expect(reason).not.toContain('\n')
  })

  it.skipIf(noGpu === undefined)('tells why a backend that was asked for does not load, and the remedy', async () => {
    const loading = loadBackend('tfjs-node-gpu')
    await expect(loading).rejects.toThrow(BackendUnavailableError)
    await expect(loading).rejects.toThrow(
      'No backend could be loaded (tfjs-node-gpu: @tensorflow/tfjs-node-gpu is not installed). To set it up: npm run setup:tensorflow -- gpu',
    )
  })

  it.each(['wasm', 'cpu'] as const)('loads %s, from files that are installed', async (choice) => {
    const { name, tf, reason } = await loadBackend(choice)
    expect(name).toBe(choice)
    expect(tf.getBackend()).toBe(choice)
    expect(reason).toMatch(/^asked for; /)
  })

  it('has SIMD on wasm, and leaves the errors of the process to the process', async () => {
    const listeners = () => ['uncaughtException', 'unhandledRejection'].map((event) => process.rawListeners(event))
    const before = listeners()
    const { reason } = await loadBackend('wasm')
    expect(reason).toContain('with SIMD')
    expect(listeners()).toEqual(before)
  })

  it.skipIf(noNative)('loads tfjs-node on TensorFlow, one tfjs-core for all', async () => {
    const { name, tf, reason } = await loadBackend('tfjs-node')
    expect(name).toBe('tfjs-node')
    expect(reason).toMatch(/^asked for; TensorFlow \d+\.\d+\.\d+ on (the CPU|a GPU)$/)
    expect(tf.getBackend()).toBe('tensorflow')
    expect(tf.engine().backend).toBe(tf.backend())
  })
})
