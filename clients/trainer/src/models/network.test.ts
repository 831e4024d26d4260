import type { Tensor4D } from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import type { BackendName } from '../backends/backend.js'
import { loadBackend } from '../backends/load-backend.js'
import { whyNoNative } from '../backends/testing/native.js'
import { Network } from './network.js'

const backends: [BackendName, string | undefined][] = [
  ['wasm', undefined],
  ['tfjs-node', await whyNoNative()],
]

describe.each(backends)('Network on the %s backend', (name, reasonToSkip) => {
  it.skipIf(reasonToSkip)(
    'normalises by running statistics that follow those of each batch by a tenth, outside of training',
    async () => {
      const backend = await loadBackend(name)
      const { tf } = backend
      const network = new Network(backend, 1)
      const norm = network.batchNorm('norm', 2)
      network.parameters.get('norm/gamma')?.assign(tf.tensor1d([3, 0.5]))
      network.parameters.get('norm/beta')?.assign(tf.tensor1d([0.25, -2]))
      // Two images of one row of two pixels. First channel: mean 4, unbiased variance 20 / 3. Second: mean -10, variance 8 / 3.
      const images: Tensor4D = tf.tensor4d([1, -12, 3, -10, 5, -10, 7, -8], [2, 1, 2, 2])
      norm(images, { training: true })
      const running = { mean: [0.4, -1], variance: [0.9 + 2 / 3, 0.9 + 0.8 / 3] }
      const expected = [1, -12, 3, -10, 5, -10, 7, -8].map((x, index) => {
        const channel = index % 2
        const [gamma, beta] = [[3, 0.5][channel] as number, [0.25, -2][channel] as number]
        const [mean, variance] = [running.mean[channel] as number, running.variance[channel] as number]
        return (gamma * (x - mean)) / Math.sqrt(variance + 1e-3) + beta
      })
      const got = await norm(images, { training: false }).data()
      expect(got).toHaveLength(expected.length)
      for (const [index, value] of expected.entries()) expect(got[index]).toBeCloseTo(value, 4)
      network.dispose()
    },
  )
})

describe('first weights', () => {
  it('have the variance 2 / fanIn of He initialisation, and the mean 0', async () => {
    const network = new Network(await loadBackend('wasm'), 1)
    network.dense('dense', 200, 300)
    network.conv('conv', 3, 32, 200)
    for (const [name, fanIn] of [
      ['dense/weights', 200],
      ['conv/filter', 3 * 3 * 32],
    ] as const) {
      const values = (await network.parameters.get(name)?.data<'float32'>()) ?? new Float32Array()
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
      // Of about 60,000 draws: both bounds are more than five standard errors away.
      expect(variance * fanIn, name).toBeCloseTo(2, 1)
      expect(Math.abs(mean) * Math.sqrt(fanIn / 2), name).toBeLessThan(0.025)
    }
    network.dispose()
  })
})
