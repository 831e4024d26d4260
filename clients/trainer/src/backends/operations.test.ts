import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { createRandomValues } from '../models/random-values.js'
import type { Backend, BackendName } from './backend.js'
import { loadBackend } from './load-backend.js'
import { whyNoNative } from './testing/native.js'

interface Case {
  readonly name: string
  /** The shapes of the inputs towards which the gradient is taken. */
  readonly shapes: number[][]
  readonly apply: (backend: Backend, inputs: Tensor[]) => Tensor
  /** For finite differences; large where the operation is linear, so that rounding does not matter. */
  readonly step: number
}

const LINEAR = 0.5
const CURVED = 0.01

const conv = (size: number, filter: number, channels: [number, number], stride: number): Case => ({
  name: `conv2d ${size}x${size + 1}, filter ${filter}x${filter}, channels ${channels}, stride ${stride}`,
  shapes: [
    [3, size, size + 1, channels[0]],
    [filter, filter, channels[0], channels[1]],
  ],
  apply: ({ ops }, [x, kernel]) => ops.conv2d(x as Tensor4D, kernel as Tensor4D, stride),
  step: LINEAR,
})

const cases: Case[] = [
  {
    name: 'dense',
    shapes: [[5, 7], [7, 6], [6]],
    apply: ({ ops }, [x, weights, bias]) => ops.dense(x as Tensor2D, weights as Tensor2D, bias as Tensor1D),
    step: LINEAR,
  },
  {
    name: 'dense of the model input',
    shapes: [[7, 6], [6]],
    apply: ({ tf, ops }, [weights, bias]) => {
      const x = tf.tensor2d(createRandomValues(9)(35, 1), [5, 7])
      return ops.dense(x, weights as Tensor2D, bias as Tensor1D, true)
    },
    step: LINEAR,
  },
  conv(4, 3, [2, 3], 1),
  conv(6, 5, [1, 2], 1),
  conv(6, 3, [2, 3], 2),
  conv(7, 3, [3, 2], 2),
  conv(4, 1, [3, 2], 1),
  conv(6, 1, [2, 3], 2),
  conv(7, 1, [2, 1], 2),
  conv(7, 3, [1, 2], 3),
  conv(2, 5, [1, 2], 2),
  {
    name: 'conv2d of the model input',
    shapes: [[3, 3, 2, 3]],
    apply: ({ tf, ops }, [filter]) => {
      const x = tf.tensor4d(createRandomValues(9)(100, 1), [2, 5, 5, 2])
      return ops.conv2d(x, filter as Tensor4D, 2, true)
    },
    step: LINEAR,
  },
  {
    name: 'batchNorm',
    shapes: [[3, 4, 5, 2], [2], [2]],
    apply: ({ ops }, [x, gamma, beta]) =>
      ops.batchNorm(x as Tensor4D, gamma as Tensor1D, beta as Tensor1D, () => undefined),
    step: CURVED,
  },
  {
    name: 'relu of images',
    shapes: [[2, 3, 4, 2]],
    apply: ({ ops }, [x]) => ops.relu(x as Tensor4D),
    step: 1e-4,
  },
  {
    name: 'relu of vectors',
    shapes: [[4, 5]],
    apply: ({ ops }, [x]) => ops.relu(x as Tensor2D),
    step: 1e-4,
  },
  {
    name: 'add',
    shapes: [
      [2, 3, 4, 2],
      [2, 3, 4, 2],
    ],
    apply: ({ ops }, [a, b]) => ops.add(a as Tensor4D, b as Tensor4D),
    step: LINEAR,
  },
  {
    name: 'averagePixels',
    shapes: [[3, 4, 5, 2]],
    apply: ({ ops }, [x]) => ops.averagePixels(x as Tensor4D),
    step: LINEAR,
  },
  {
    name: 'crossEntropy',
    shapes: [[4, 3]],
    apply: ({ tf, ops }, [logits]) =>
      ops.crossEntropy(logits as Tensor2D, tf.tensor2d([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0], [4, 3])),
    step: CURVED,
  },
  {
    name: 'mean',
    shapes: [[6]],
    apply: ({ ops }, [values]) => ops.mean(values as Tensor1D),
    step: LINEAR,
  },
  {
    name: 'mean of weight x value',
    shapes: [[6]],
    apply: ({ tf, ops }, [values]) => ops.mean(values as Tensor1D, tf.tensor1d([1, 2.5, 1, 4, 0.5, 3])),
    step: LINEAR,
  },
]

interface Outcome {
  readonly value: number[]
  readonly gradients: number[][]
}

const sizeOf = (shape: number[]) => shape.reduce((product, length) => product * length, 1)
const inputsOf = ({ shapes }: Case) => shapes.map((shape, index) => createRandomValues(index + 1)(sizeOf(shape), 1.5))
/** The direction in which the result is looked at: the gradient is that of the result's product with it. */
const directionOf = (size: number) => createRandomValues(77)(size, 1)

function createTensors({ tf }: Backend, { shapes }: Case, inputs: Float32Array[]): Tensor[] {
  return shapes.map((shape, index) => tf.tensor((inputs[index] as Float32Array).slice(), shape))
}

function compute(backend: Backend, testCase: Case): Outcome {
  const { tf } = backend
  const inputs = inputsOf(testCase)
  return tf.tidy(() => {
    const tensors = createTensors(backend, testCase, inputs)
    const value = testCase.apply(backend, tensors)
    const direction = tf.tensor(directionOf(value.size), value.shape)
    const gradients = tf.grads((...xs: Tensor[]) => testCase.apply(backend, xs))(tensors, direction)
    return { value: [...value.dataSync()], gradients: gradients.map((gradient) => [...gradient.dataSync()]) }
  })
}

/** The gradients by central differences of the plain JavaScript backend's forward pass. */
function differentiate(backend: Backend, testCase: Case): number[][] {
  const inputs = inputsOf(testCase)
  const project = () =>
    backend.tf.tidy(() => {
      const value = testCase.apply(backend, createTensors(backend, testCase, inputs)).dataSync<'float32'>()
      const direction = directionOf(value.length)
      return value.reduce((sum, element, index) => sum + element * (direction[index] as number), 0)
    })
  return inputs.map((values) =>
    Array.from(values, (middle, index) => {
      values[index] = middle + testCase.step
      const above = project()
      values[index] = middle - testCase.step
      const below = project()
      values[index] = middle
      return (above - below) / (2 * testCase.step)
    }),
  )
}

/** The largest difference between two lists of one length. */
function distance(a: number[] | undefined, b: number[]): number {
  expect(a?.length).toBe(b.length)
  return Math.max(...b.map((value, index) => Math.abs((a?.[index] ?? Number.NaN) - value)))
}

const noNative = await whyNoNative()

async function computeAll(name: BackendName): Promise<Map<string, Outcome>> {
  const backend = await loadBackend(name)
  return new Map(cases.map((testCase) => [testCase.name, compute(backend, testCase)]))
}

describe('operations on the cpu backend', () => {
  it.each(cases)('$name has the gradient that finite differences give', async (testCase) => {
    const backend = await loadBackend('cpu')
    const { gradients } = compute(backend, testCase)
    const expected = differentiate(backend, testCase)
    for (const [index, values] of expected.entries()) expect(distance(gradients[index], values)).toBeLessThan(3e-3)
  })
})

describe.each<[BackendName, string | undefined]>([
  ['wasm', undefined],
  ['tfjs-node', noNative],
])('operations on the %s backend', (name, reasonToSkip) => {
  let reference: Map<string, Outcome>
  let outcomes: Map<string, Outcome>

  beforeAll(async () => {
    if (reasonToSkip) return
    reference = await computeAll('cpu')
    outcomes = await computeAll(name)
  })

  it.skipIf(reasonToSkip).each(cases)('$name has the values and gradients of the cpu backend', (testCase) => {
    const expected = reference.get(testCase.name) as Outcome
    const actual = outcomes.get(testCase.name) as Outcome
    expect(distance(actual.value, expected.value)).toBeLessThan(1e-5)
    for (const [index, gradient] of expected.gradients.entries()) {
      expect(distance(actual.gradients[index], gradient)).toBeLessThan(1e-5)
    }
  })

  it.skipIf(reasonToSkip)('batchNorm tells the mean and the unbiased variance of each channel', async () => {
    const { tf, ops } = await loadBackend(name)
    const statistics: number[][] = []
    tf.tidy(() => {
      const x = tf.tensor4d([1, 10, 2, 10, 3, 10, 6, 14], [2, 1, 2, 2])
      ops.batchNorm(x, tf.tensor1d([1, 1]), tf.tensor1d([0, 0]), (mean, variance) => {
        statistics.push([...mean.dataSync()], [...variance.dataSync()])
      })
    })
    expect(distance(statistics[0], [3, 11])).toBeLessThan(1e-5)
    expect(distance(statistics[1], [14 / 3, 4])).toBeLessThan(1e-5)
  })

  it.skipIf(reasonToSkip)('crossEntropy stays finite where the logits are large', async () => {
    const { tf, ops } = await loadBackend(name)
    const losses = tf.tidy(() => [
      ...ops
        .crossEntropy(
          tf.tensor2d([
            [1000, 0],
            [-1000, 0],
          ]),
          tf.tensor2d([
            [1, 0],
            [1, 0],
          ]),
        )
        .dataSync(),
    ])
    expect(losses).toEqual([0, 1000])
  })
})
