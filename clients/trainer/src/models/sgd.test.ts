import { describe, expect, it } from 'vitest'
import { loadBackend } from '../backends/load-backend.js'
import { Sgd, type SgdOptions } from './sgd.js'

/** Two steps along known gradients, in single precision on the backend and in double precision here. */
async function compare(options: SgdOptions, shape: number[], decay: number) {
  const { tf } = await loadBackend('wasm')
  const weights = [0.5, -1, 2, -0.25]
  const gradients = [
    [0.1, -0.2, 0.3, 0.4],
    [-0.3, 0.1, 0, 0.2],
  ]
  const rate = 0.5
  const parameter = tf.tidy(() => tf.variable(tf.tensor(weights, shape)))
  const optimiser = new Sgd(tf, new Map([['weights', parameter]]), options)
  const expected = [...weights]
  const velocities = weights.map(() => 0)
  for (const gradient of gradients) {
    tf.tidy(() => optimiser.step({ [parameter.name]: tf.tensor(gradient, shape) }, rate))
    gradient.forEach((slope, index) => {
      const g = slope + decay * (expected[index] as number)
      velocities[index] = options.momentum * (velocities[index] as number) + g
      expected[index] = (expected[index] as number) - rate * (g + options.momentum * velocities[index])
    })
  }
  const actual = [...parameter.dataSync()]
  const actualVelocities = [...(optimiser.velocities.get('weights')?.dataSync() ?? [])]
  optimiser.dispose()
  parameter.dispose()
  for (const [index, value] of expected.entries()) expect(actual[index]).toBeCloseTo(value, 6)
  for (const [index, value] of velocities.entries()) expect(actualVelocities[index]).toBeCloseTo(value, 6)
}

describe('Sgd', () => {
  it('follows the formulas of Nesterov momentum and weight decay', async () => {
    await compare({ momentum: 0.8, weightDecay: 0.1 }, [2, 2], 0.1)
  })

  it('is plain gradient descent without both', async () => {
    await compare({ momentum: 0, weightDecay: 0 }, [2, 2], 0)
  })

  it('has no weight decay on biases and batch norm', async () => {
    await compare({ momentum: 0.9, weightDecay: 0.1 }, [4], 0)
  })
})
