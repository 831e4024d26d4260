import { createRequire } from 'node:module'
import util from 'node:util'
import type { LoadedBackend, TensorFlow } from './backend.js'
import { createNativeKernels, type NodeBackend } from './native-kernels.js'
import { createOperations } from './operations.js'

const require = createRequire(import.meta.url)

/**
 * Loads @tensorflow/tfjs-node or @tensorflow/tfjs-node-gpu, with the tfjs-core that it brings.
 *
 * @throws Error with the code MODULE_NOT_FOUND if the package is not there; any error if its addon does not load.
 */
export function loadNative(packageName: string): LoadedBackend {
  const path = require.resolve(packageName)
  restoreRemovedUtilities()
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  const tf = require(path) as TensorFlow
  if (!tf.setBackend('tensorflow')) throw new Error('its backend does not start')
  tf.enableProdMode()
  const backend = tf.backend() as unknown as NodeBackend
  const device = backend.isUsingGpuDevice ? 'a GPU' : 'the CPU'
  return {
    tf,
    ops: createOperations(tf, createNativeKernels(tf, backend)),
    detail: `TensorFlow ${backend.binding.TF_Version} on ${device}`,
  }
}

/** @tensorflow/tfjs-node 4.22 calls two functions that Node 23 removed. */
function restoreRemovedUtilities(): void {
  const target = util as { isNullOrUndefined?: (value: unknown) => boolean; isArray?: (value: unknown) => boolean }
  target.isNullOrUndefined ??= (value) => value === null || value === undefined
  target.isArray ??= Array.isArray
}
