import type { Operations } from './operations.js'

/** The API of the tfjs-core instance that a backend registered itself with. */
export type TensorFlow = typeof import('@tensorflow/tfjs-core')

/** In the order in which they are tried. */
export const BACKEND_NAMES = ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'] as const

export type BackendName = (typeof BACKEND_NAMES)[number]

export interface Backend {
  readonly name: BackendName
  /** Take every function from here, not from an import: another instance of tfjs-core may not know this backend. */
  readonly tf: TensorFlow
  /** What models are made of: differentiable, with the fastest gradients that this backend has. */
  readonly ops: Operations
  /** Why this one was chosen, with what was tried before it and why each of those failed. One line. */
  readonly reason: string
}

/** What a backend's loader returns. */
export interface LoadedBackend extends Pick<Backend, 'tf' | 'ops'> {
  /** What runs it here, such as the version. */
  readonly detail: string
}
