import { describe, expect, it, vi } from 'vitest'
import { BACKEND_NAMES } from './backend.js'
import { BackendUnavailableError, loadBackend } from './load-backend.js'
import { loadNative } from './load-native.js'
import { whyNoNative } from './testing/native.js'

// The real one, but where a test says that a package is not there: which ones are depends on the machine.
vi.mock('./load-native.js', { spy: true })
const { loadNative: load } = await vi.importActual<typeof import('./load-native.js')>('./load-native.js')
const lackPackage = () => vi.mocked(loadNative).mockImplementationOnce((name) => load(`${name}-lacking`))

const noNative = await whyNoNative()

describe('loadBackend', () => {
  it('tries tfjs-node-gpu, tfjs-node, wasm and cpu, takes the first that loads and says why those before it did not', async () => {
    const reasons: string[] = []
    let first: string | undefined
    for (const name of BACKEND_NAMES) {
      try {
        const { reason } = await loadBackend(name)
        first = name
        reasons.push(reason.replace('asked for; ', `${name}: `))
        break
      } catch (error) {
        reasons.push(/^No backend could be loaded \((.*)\)\. To set it up: /.exec((error as Error).message)?.[1] ?? '')
      }
    }
    const { name, tf, reason } = await loadBackend('auto')
    expect(name).toBe(first)
    expect(tf.getBackend()).toBe(name === 'wasm' ? 'wasm' : 'tensorflow')
    expect(reason).toBe(reasons.join('; '))
    expect(reason).not.toContain('\n')
  })

  it('takes wasm where neither native package is installed', async () => {
    lackPackage()
    lackPackage()
    const { name, reason } = await loadBackend('auto')
    expect(name).toBe('wasm')
    expect(reason).toBe(
      'tfjs-node-gpu: @tensorflow/tfjs-node-gpu-lacking is not installed; ' +
        'tfjs-node: @tensorflow/tfjs-node-lacking is not installed; wasm: WebAssembly with SIMD',
    )
  })

  it.each([
    ['tfjs-node-gpu', ' -- gpu'],
    ['tfjs-node', ''],
  ] as const)('tells why %s does not load when it was asked for, and the remedy', async (name, flag) => {
    lackPackage()
    const loading = loadBackend(name)
    await expect(loading).rejects.toThrow(BackendUnavailableError)
    await expect(loading).rejects.toThrow(
      `No backend could be loaded (${name}: @tensorflow/${name}-lacking is not installed). To set it up: npm run setup:tensorflow${flag}`,
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
