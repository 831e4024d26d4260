import type { Tensor } from '@tensorflow/tfjs-core'
import { describe, expect, it, vi } from 'vitest'
import type { Backend, BackendName } from '../backends/backend.js'
import { loadBackend } from '../backends/load-backend.js'
import { whyNoNative } from '../backends/testing/native.js'
import { type Classifier, type ClassifierOptions, type ClassifierState, createClassifier } from './classifier.js'
import { COLUMN_NAMES, type ColumnName } from './columns.js'
import type { ModelName } from './models.js'
import { createRandomValues } from './random-values.js'

const noNative = await whyNoNative()
const backends: [BackendName, string | undefined][] = [
  ['cpu', undefined],
  ['wasm', undefined],
  ['tfjs-node', noNative],
]
const ofProbabilities: readonly ColumnName[] = ['correct', 'confidence', 'el2n']

const optionsFor = (model: ModelName, classes: number): ClassifierOptions => ({
  model,
  inputShape: model === 'mlp' ? [6, 6, 1] : [8, 8, 3],
  classes,
  seed: 7,
})

function createBatch({ inputShape, classes }: ClassifierOptions, size: number) {
  const imageSize = inputShape[0] * inputShape[1] * inputShape[2]
  return {
    imageSize,
    images: createRandomValues(5)(size * imageSize, 2),
    labels: Uint8Array.from({ length: size }, (_, index) => (index * 7) % classes),
  }
}

/** A few steps, so that the columns are those of a model that is sure of some samples and not of others. */
async function createTrained(backend: Backend, options: ClassifierOptions, size: number): Promise<Classifier> {
  const classifier = createClassifier(backend, options)
  const { images, labels } = createBatch(options, size)
  for (let step = 0; step < 4; step++) await classifier.trainBatch(images, labels, 0.02)
  return classifier
}

/** The logits of an MLP for one image, from its weights, in double precision. */
function mlpLogits(state: ClassifierState, image: ArrayLike<number>): number[] {
  return ['hidden1', 'hidden2', 'output'].reduce<number[]>((input, layer) => {
    const weights = state[`${layer}/weights`]?.values ?? []
    const bias = state[`${layer}/bias`]?.values ?? new Float32Array()
    return Array.from(bias, (start, to) => {
      const sum = input.reduce((total, value, from) => total + value * (weights[from * bias.length + to] ?? 0), start)
      return layer === 'output' ? sum : Math.max(0, sum)
    })
  }, Array.from(image))
}

function expectClose(actual: ArrayLike<number> | undefined, expected: readonly number[], tolerance = 1e-5): void {
  expect(actual?.length).toBe(expected.length)
  const distances = expected.map((value, index) => Math.abs(value - (actual?.[index] ?? Number.NaN)))
  expect(Math.max(...distances)).toBeLessThan(tolerance)
}

describe.each(backends)('columns on the %s backend', (name, reasonToSkip) => {
  it.skipIf(reasonToSkip)('are those of the softmax of the logits', async () => {
    const options = optionsFor('mlp', 5)
    const classifier = await createTrained(await loadBackend(name), options, 12)
    const { images, labels, imageSize } = createBatch(options, 12)
    // Some that it has not learnt.
    for (const sample of [0, 5, 11]) labels[sample] = ((labels[sample] ?? 0) + 1) % options.classes
    const state = await classifier.getState()
    const expected = Array.from(labels, (label, sample) => {
      const logits = mlpLogits(state, images.subarray(sample * imageSize, (sample + 1) * imageSize))
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0)
      const probabilities = logits.map((logit) => Math.exp(logit) / sum)
      const confidence = Math.max(...probabilities)
      return {
        loss: -Math.log(probabilities[label] as number),
        correct: probabilities.indexOf(confidence) === label ? 1 : 0,
        confidence,
        el2n: Math.hypot(...probabilities.map((probability, index) => probability - (index === label ? 1 : 0))),
      }
    })
    expect(new Set(expected.map(({ correct }) => correct))).toEqual(new Set([0, 1]))
    const scored = await classifier.score(images, labels, ofProbabilities)
    const trained = await classifier.trainBatch(images, labels, 0.02, ofProbabilities)
    for (const { losses, columns } of [scored, trained]) {
      expectClose(
        losses,
        expected.map(({ loss }) => loss),
      )
      expect(columns.correct).toEqual(Float32Array.from(expected, ({ correct }) => correct))
      expectClose(
        columns.confidence,
        expected.map(({ confidence }) => confidence),
      )
      expectClose(
        columns.el2n,
        expected.map(({ el2n }) => el2n),
      )
      expect(columns.grand).toBeUndefined()
    }
    classifier.dispose()
  })

  // The cpu backend takes seconds for convolutions. Of two classes all columns follow from the loss.
  it.skipIf(reasonToSkip).each<ModelName>(name === 'cpu' ? ['cnn'] : ['cnn', 'resnet8'])(
    'of a %s are from the pass that its losses are from',
    async (model) => {
      const options = optionsFor(model, 2)
      const classifier = createClassifier(await loadBackend(name), options)
      const { images, labels } = createBatch(options, 6)
      const scored = await classifier.score(images, labels, ofProbabilities)
      const trained = await classifier.trainBatch(images, labels, 0.02, ofProbabilities)
      for (const { losses, columns } of [scored, trained]) {
        const probabilities = Array.from(losses, (loss) => Math.exp(-loss))
        expect(columns.correct).toEqual(Float32Array.from(probabilities, (probability) => Number(probability > 0.5)))
        expectClose(
          columns.confidence,
          probabilities.map((probability) => Math.max(probability, 1 - probability)),
        )
        expectClose(
          columns.el2n,
          probabilities.map((probability) => Math.SQRT2 * (1 - probability)),
        )
      }
      // Batch norm goes by the batch in one of them only.
      expect(scored.columns.confidence).not.toEqual(trained.columns.confidence)
      classifier.dispose()
    },
  )

  it.skipIf(reasonToSkip)('have as grand the norm of the gradient of each sample alone', async () => {
    const backend = await loadBackend(name)
    const options = optionsFor('mlp', 3)
    const classifier = await createTrained(backend, options, 8)
    const { images, labels, imageSize } = createBatch(options, 8)
    const before = await classifier.getState()
    // A step at rate 1, without momentum and weight decay, on one sample moves the weights by its gradient.
    const single = createClassifier(backend, { ...options, momentum: 0, weightDecay: 0 })
    const expected: number[] = []
    for (const sample of labels.keys()) {
      single.setState(before)
      const image = images.subarray(sample * imageSize, (sample + 1) * imageSize)
      await single.trainBatch(image, labels.subarray(sample, sample + 1), 1)
      const after = await single.getState()
      const moved = Object.keys(before).filter((entry) => !entry.endsWith('/velocity'))
      expect(moved).toHaveLength(6)
      const squares = moved.flatMap((entry) =>
        Array.from(after[entry]?.values ?? [], (value, i) => (value - (before[entry]?.values[i] ?? 0)) ** 2),
      )
      expected.push(Math.sqrt(squares.reduce((sum, square) => sum + square, 0)))
    }
    expect(Math.max(...expected)).toBeGreaterThan(2 * Math.min(...expected))
    expectClose((await classifier.score(images, labels, ['grand'])).columns.grand, expected, 1e-4)
    expectClose((await classifier.trainBatch(images, labels, 0.02, ['grand'])).columns.grand, expected, 1e-4)
    single.dispose()
    classifier.dispose()
  })

  it.skipIf(reasonToSkip)('are those without weights where the losses are weighted', async () => {
    const backend = await loadBackend(name)
    const options = optionsFor('mlp', 3)
    const classifier = await createTrained(backend, options, 8)
    const { images, labels } = createBatch(options, 8)
    const expected = await classifier.score(images, labels, COLUMN_NAMES)
    const weights = Float32Array.from(labels, (_, index) => [1, 2, 0.3, 7.7, 1000][index % 5] as number)
    const { numTensors } = backend.tf.memory()
    const { losses, columns } = await classifier.trainBatch(images, labels, 0.02, COLUMN_NAMES, weights)
    expect(backend.tf.memory().numTensors).toBe(numTensors)
    expectClose(losses, Array.from(expected.losses))
    for (const column of COLUMN_NAMES) {
      const values = Array.from(expected.columns[column] ?? [])
      expectClose(columns[column], values, 1e-6 * Math.max(1, ...values))
    }
    classifier.dispose()
  })

  it.skipIf(reasonToSkip)('change nothing of the training, and leave no tensors', async () => {
    const backend = await loadBackend(name)
    const options = optionsFor('mlp', 3)
    const { images, labels } = createBatch(options, 8)
    const plain = createClassifier(backend, options)
    const classifier = createClassifier(backend, options)
    const { numTensors } = backend.tf.memory()
    for (let step = 0; step < 3; step++) {
      const { losses } = await plain.trainBatch(images, labels, 0.05)
      const scores = await classifier.trainBatch(images, labels, 0.05, COLUMN_NAMES)
      expect(scores.losses).toEqual(losses)
      expect(Object.keys(scores.columns).sort()).toEqual([...COLUMN_NAMES].sort())
      expect(backend.tf.memory().numTensors).toBe(numTensors)
    }
    const state = await plain.getState()
    await classifier.score(images, labels, COLUMN_NAMES)
    expect(await classifier.getState()).toEqual(state)
    expect(backend.tf.memory().numTensors).toBe(numTensors)
    plain.dispose()
    classifier.dispose()
  })

  it.skipIf(reasonToSkip)('cost nothing where none is asked for, and no second pass where some are', async () => {
    const backend = await loadBackend(name)
    const { tf } = backend
    const options = optionsFor('mlp', 3)
    const { images, labels } = createBatch(options, 8)
    const classifier = createClassifier(backend, options)
    // Not that of tf.Tensor: where the native backend was loaded, tensors are of its copy of the class.
    const probe = tf.scalar(0)
    const reading = vi.spyOn(Object.getPrototypeOf(probe) as Tensor, 'data')
    probe.dispose()
    const count = async (columns: readonly ColumnName[]) => {
      reading.mockClear()
      const { kernels } = await tf.profile(async () => {
        await classifier.trainBatch(images, labels, 0.05, columns)
        return []
      })
      const products = kernels.filter((kernel) => /MatMul/.test(kernel.name)).length
      return { products, reads: reading.mock.calls.length }
    }
    const plain = await count([])
    expect(plain).toEqual({ products: 8, reads: 1 })
    expect(await count(ofProbabilities)).toEqual({ products: 8, reads: 2 })
    expect(await count(COLUMN_NAMES)).toEqual({ products: 8, reads: 3 })
    reading.mockRestore()
    classifier.dispose()
  })
})

describe('columns', () => {
  it('are put together where there are more images than one pass takes', async () => {
    const options = optionsFor('mlp', 3)
    const classifier = await createTrained(await loadBackend('wasm'), options, 8)
    const { images, labels, imageSize } = createBatch(options, 260)
    const whole = await classifier.score(images, labels, COLUMN_NAMES)
    const last = await classifier.score(images.subarray(250 * imageSize), labels.subarray(250), COLUMN_NAMES)
    for (const name of COLUMN_NAMES) {
      expect(whole.columns[name]).toHaveLength(260)
      expectClose(whole.columns[name]?.subarray(250), Array.from(last.columns[name] ?? []))
    }
    classifier.dispose()
  })

  it('are of the labels that were handed over, whatever becomes of the array', async () => {
    const options = optionsFor('mlp', 3)
    const backend = await loadBackend('wasm')
    const { images, labels } = createBatch(options, 8)
    const [classifier, twin] = [createClassifier(backend, options), createClassifier(backend, options)]
    const expected = await twin.trainBatch(images, labels, 0.1, COLUMN_NAMES)
    const training = classifier.trainBatch(images, labels, 0.1, COLUMN_NAMES)
    labels.fill(0)
    expect(await training).toEqual(expected)
    twin.dispose()
    classifier.dispose()
  })

  it.each<[ModelName, string, string]>([
    ['cnn', 'grand', 'grand is not there for the model cnn, whose batch norm mixes the samples of a batch'],
    ['resnet8', 'grand', 'take the model mlp, or el2n in the place of grand'],
    ['mlp', 'margin', '"margin" is none of the columns correct, confidence, el2n, grand'],
  ])('of a %s are refused where it has no %s, and nothing is changed', async (model, column, message) => {
    const options = optionsFor(model, 3)
    const classifier = createClassifier(await loadBackend('wasm'), options)
    const before = await classifier.getState()
    const { images, labels } = createBatch(options, 4)
    const columns = ['correct', column as ColumnName] as const
    await expect(classifier.trainBatch(images, labels, 0.1, columns)).rejects.toThrow(message)
    await expect(classifier.score(images, labels, columns)).rejects.toThrow(message)
    expect(await classifier.getState()).toEqual(before)
    classifier.dispose()
  })
})
