import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import type { LoadedBackend, TensorFlow } from './backend.js'
import { createOperations } from './operations.js'
import { createStockKernels } from './stock-kernels.js'
import { createWasmKernels } from './wasm-kernels.js'

/** TensorFlow.js' packages find each other by `require`: loaded in the same way, they share one tfjs-core. */
const require = createRequire(import.meta.url)

export async function loadWasm(): Promise<LoadedBackend> {
  const tf = requireCore()
  const path = require.resolve('@tensorflow/tfjs-backend-wasm')
  const { setWasmPaths } = require(path) as typeof import('@tensorflow/tfjs-backend-wasm')
  setWasmPaths(dirname(path) + sep)
  await withoutProcessListeners(() => activate(tf, 'wasm'))
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')
  return {
    tf,
    ops: createOperations(tf, createWasmKernels(tf)),
    detail: `WebAssembly ${simd ? 'with' : 'without'} SIMD`,
  }
}

export async function loadCpu(): Promise<LoadedBackend> {
  const tf = requireCore()
  require('@tensorflow/tfjs-backend-cpu')
  await activate(tf, 'cpu')
  return { tf, ops: createOperations(tf, createStockKernels(tf)), detail: 'plain JavaScript, slow' }
}

/** tfjs-core without its checks and without its advice to install tfjs-node. */
function requireCore(): TensorFlow {
  const tf = require('@tensorflow/tfjs-core') as TensorFlow
  tf.enableProdMode()
  return tf
}

async function activate(tf: TensorFlow, name: string): Promise<void> {
  if (!(await tf.setBackend(name))) throw new Error('its backend does not start')
  await tf.ready()
}

/** Emscripten's start-up code takes over the process's error handling, which is not its business: that is undone. */
async function withoutProcessListeners(start: () => Promise<void>): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'] as const
  const before = events.map((event) => process.rawListeners(event))
  await start()
  events.forEach((event, index) => {
    const added = process.rawListeners(event).filter((listener) => !before[index]?.includes(listener))
    for (const listener of added) process.removeListener(event, listener as (...parameters: unknown[]) => void)
  })
}
