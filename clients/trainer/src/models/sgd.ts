import type { NamedTensorMap, Variable } from '@tensorflow/tfjs-core'
import type { TensorFlow } from '../backends/backend.js'

export interface SgdOptions {
  /** In [0, 1). */
  readonly momentum: number
  /** At least 0; of weights and filters only, not of biases and batch norm. */
  readonly weightDecay: number
}

/**
 * Stochastic gradient descent with Nesterov momentum m and weight decay d, in the form that PyTorch uses:
 * g <- g + d w;  v <- m v + g;  w <- w - rate (g + m v), with v = 0 at first.
 */
export class Sgd {
  /** The velocity v of each parameter, by the parameter's name. */
  readonly velocities: ReadonlyMap<string, Variable>
  readonly #tf: TensorFlow
  readonly #parameters: ReadonlyMap<string, Variable>
  readonly #options: SgdOptions

  constructor(tf: TensorFlow, parameters: ReadonlyMap<string, Variable>, options: SgdOptions) {
    this.#tf = tf
    this.#parameters = parameters
    this.#options = options
    this.velocities = new Map(
      [...parameters].map(([name, { shape }]) => [name, tf.tidy(() => tf.variable(tf.zeros(shape), false))]),
    )
  }

  /** @param gradients by the variables' own names, as `tf.variableGrads` gives them. */
  step(gradients: NamedTensorMap, learningRate: number): void {
    const tf = this.#tf
    const { momentum, weightDecay } = this.#options
    for (const [name, parameter] of this.#parameters) {
      tf.tidy(() => {
        let gradient = gradients[parameter.name]
        const velocity = this.velocities.get(name)
        if (!gradient || !velocity) throw new Error(`no gradient for ${name}`)
        if (weightDecay > 0 && parameter.rank > 1) gradient = tf.add(gradient, tf.mul(parameter, weightDecay))
        velocity.assign(tf.add(tf.mul(velocity, momentum), gradient))
        const change = tf.add(gradient, tf.mul(velocity, momentum))
        parameter.assign(tf.sub(parameter, tf.mul(change, learningRate)))
      })
    }
  }

  dispose(): void {
    for (const velocity of this.velocities.values()) velocity.dispose()
  }
}
