import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Backend, BackendName } from '../backends/backend.js'
import { loadBackend } from '../backends/load-backend.js'
import { whyNoNative } from '../backends/testing/native.js'
import { type ClassifierOptions, type ClassifierState, createClassifier, type ModelName } from './classifier.js'
import { createRandomValues } from './random-values.js'

const models: ModelName[] = ['mlp', 'cnn', 'resnet8']
const noNative = await whyNoNative()
const backends: [BackendName, string | undefined][] = [
  ['wasm', undefined],
  ['tfjs-node', noNative],
]

const CLASSES = 4
const BATCH = 16

const optionsFor = (model: ModelName): ClassifierOptions => ({
  model,
  inputShape: model === 'resnet8' ? [32, 32, 3] : [28, 28, 1],
  classes: CLASSES,
  seed: 7,
})

/** Noise with a brighter stripe, whose place tells the class: something that every model learns in a few steps. */
function createBatch([height, width, channels]: readonly number[], seed: number, size = BATCH) {
  const imageSize = (height as number) * (width as number) * (channels as number)
  const images = createRandomValues(seed)(size * imageSize, 1)
  const labels = Uint8Array.from({ length: size }, (_, index) => (index * 7 + seed) % CLASSES)
  const stripe = Math.floor(imageSize / CLASSES)
  labels.forEach((label, index) => {
    const start = index * imageSize + label * stripe
    for (let pixel = start; pixel < start + stripe; pixel++) images[pixel] = (images[pixel] as number) + 1
  })
  return { images, labels }
}

async function train(
  backend: Backend,
  options: ClassifierOptions,
  steps: number,
  rate = 0.05,
): Promise<Float32Array[]> {
  const classifier = createClassifier(backend, options)
  const losses: Float32Array[] = []
  for (let step = 0; step < steps; step++) {
    const { images, labels } = createBatch(options.inputShape, step)
    losses.push(await classifier.trainBatch(images, labels, rate))
  }
  const { images, labels } = createBatch(options.inputShape, 99)
  losses.push((await classifier.evaluate(images, labels)).losses)
  classifier.dispose()
  return losses
}

/** All bits of a state as one short text: comparing the arrays one number at a time takes seconds. */
function digest(state: ClassifierState): string {
  const hash = createHash('sha256')
  for (const [name, { shape, values }] of Object.entries(state)) hash.update(`${name} [${shape}]`).update(values)
  return hash.digest('hex')
}

const meanOf = (values: Float32Array | undefined) =>
  (values?.reduce((sum, value) => sum + value, 0) ?? Number.NaN) / (values?.length ?? 1)

describe.each(backends)('createClassifier on the %s backend', (name, reasonToSkip) => {
  it.skipIf(reasonToSkip).each(models)(
    '%s learns, and the same seed gives the same losses bit for bit',
    async (model) => {
      const backend = await loadBackend(name)
      const options = optionsFor(model)
      const losses = await train(backend, options, 8)
      expect(losses[0]).toHaveLength(BATCH)
      expect(meanOf(losses[7])).toBeLessThan(0.7 * meanOf(losses[0]))
      expect(await train(backend, options, 8)).toEqual(losses)
      expect(await train(backend, { ...options, seed: 8 }, 1)).not.toEqual(losses.slice(0, 1))
    },
  )

  it.skipIf(reasonToSkip)('evaluates a trained cnn about as well as it trains', async () => {
    const options = optionsFor('cnn')
    const classifier = createClassifier(await loadBackend(name), options)
    for (let step = 0; step < 25; step++) {
      const { images, labels } = createBatch(options.inputShape, step)
      await classifier.trainBatch(images, labels, 0.02)
    }
    const { images, labels } = createBatch(options.inputShape, 99, 100)
    expect((await classifier.evaluate(images, labels)).correct).toBeGreaterThan(90)
    classifier.dispose()
  })

  it.skipIf(reasonToSkip).each(models)('%s keeps the number of tensors constant and frees them all', async (model) => {
    const backend = await loadBackend(name)
    const { tf } = backend
    const options = optionsFor(model)
    const { images, labels } = createBatch(options.inputShape, 1)
    const before = tf.memory().numTensors
    const classifier = createClassifier(backend, options)
    const created = tf.memory().numTensors
    for (let step = 0; step < 3; step++) {
      await classifier.trainBatch(images, labels, 0.01)
      expect(tf.memory().numTensors).toBe(created)
    }
    await classifier.evaluate(images, labels)
    classifier.setState(await classifier.getState())
    expect(tf.memory().numTensors).toBe(created)
    classifier.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })

  it.skipIf(reasonToSkip).each(models)('%s goes on from its state exactly as without a break', async (model) => {
    const backend = await loadBackend(name)
    const options = optionsFor(model)
    const classifier = createClassifier(backend, options)
    const resumed = createClassifier(backend, { ...options, seed: 1234 })
    for (let step = 0; step < 3; step++) {
      const { images, labels } = createBatch(options.inputShape, step)
      await classifier.trainBatch(images, labels, 0.05)
    }
    const state = await classifier.getState()
    const before = digest(state)
    resumed.setState(state)
    for (let step = 3; step < 6; step++) {
      const { images, labels } = createBatch(options.inputShape, step)
      const expected = await classifier.trainBatch(images, labels, 0.05)
      expect(await resumed.trainBatch(images, labels, 0.05)).toEqual(expected)
    }
    expect(digest(state)).toBe(before)
    expect(digest(await resumed.getState())).toBe(digest(await classifier.getState()))
    classifier.dispose()
    resumed.dispose()
  })

  it.skipIf(reasonToSkip)('trains on a copy of the images and labels', async () => {
    const backend = await loadBackend(name)
    const options = optionsFor('mlp')
    const { images, labels } = createBatch(options.inputShape, 1)
    const classifier = createClassifier(backend, options)
    const twin = createClassifier(backend, options)
    const expected = await twin.trainBatch(images, labels, 0.1)
    const training = classifier.trainBatch(images, labels, 0.1)
    images.fill(0)
    labels.fill(0)
    expect(await training).toEqual(expected)
    expect(digest(await classifier.getState())).toBe(digest(await twin.getState()))
    twin.dispose()
    classifier.dispose()
  })

  it.skipIf(reasonToSkip)('evaluates more images than one forward pass takes, without changing anything', async () => {
    const backend = await loadBackend(name)
    const options = optionsFor('cnn')
    const classifier = createClassifier(backend, options)
    const before = digest(await classifier.getState())
    const { images, labels } = createBatch(options.inputShape, 3, 260)
    const whole = await classifier.evaluate(images, labels)
    const last = await classifier.evaluate(images.subarray(250 * 784), labels.subarray(250))
    expect(whole.losses).toHaveLength(260)
    expect(
      Math.max(...last.losses.map((loss, index) => Math.abs(loss - (whole.losses[250 + index] as number)))),
    ).toBeLessThan(1e-5)
    expect(whole.correct).toBeGreaterThanOrEqual(last.correct)
    expect(digest(await classifier.getState())).toBe(before)
    classifier.dispose()
  })
})

describe('native and wasm', () => {
  // They sum in another order. The first step shows that the forward passes agree, the second that the gradients do;
  // later, activations that fall on either side of 0 let the two trainings drift apart, a few times further each step.
  it.skipIf(noNative).each(models)('%s has the same losses on both', async (model) => {
    const native = await train(await loadBackend('tfjs-node'), optionsFor(model), 4, 0.02)
    const wasm = await train(await loadBackend('wasm'), optionsFor(model), 4, 0.02)
    for (const [step, losses] of native.entries()) {
      const differences = losses.map((loss, index) => Math.abs(loss - (wasm[step]?.[index] ?? Number.NaN)))
      expect(Math.max(...differences), `step ${step}`).toBeLessThan(1e-5 * 5 ** step)
    }
  })
})

describe('bad input', () => {
  const options = optionsFor('mlp')
  const { images, labels } = createBatch(options.inputShape, 1)
  const create = async () => createClassifier(await loadBackend('wasm'), options)

  it.each<[Partial<ClassifierOptions>, string]>([
    [{ model: 'vgg' as ModelName }, 'model must be one of mlp, cnn, resnet8, got vgg'],
    [{ inputShape: [28, 0, 1] }, 'inputShape must be positive integers, got [28,0,1]'],
    [{ classes: 1 }, 'classes must be an integer from 2 to 256, got 1'],
    [{ classes: 257 }, 'classes must be an integer from 2 to 256, got 257'],
    [{ seed: 0.5 }, 'seed must be an integer, got 0.5'],
    [{ momentum: 1 }, 'momentum must be in [0, 1), got 1'],
    [{ weightDecay: -1 }, 'weightDecay must be a finite number of at least 0, got -1'],
  ])('refuses the options %o', async (wrong, message) => {
    const backend = await loadBackend('wasm')
    expect(() => createClassifier(backend, { ...options, ...wrong })).toThrow(message)
  })

  it('refuses batches that do not fit, and leaves the model as it is', async () => {
    const classifier = await create()
    const before = digest(await classifier.getState())
    await expect(classifier.trainBatch(images, labels.subarray(1), 0.1)).rejects.toThrow(
      '15 labels need images of 11760 numbers (28,28,1 each), got 12544',
    )
    await expect(
      classifier.trainBatch(
        images,
        labels.map(() => 4),
        0.1,
      ),
    ).rejects.toThrow('labels must be below 4, got 4')
    await expect(classifier.evaluate(new Float32Array(0), new Uint8Array(0))).rejects.toThrow('at least one sample')
    await expect(classifier.trainBatch(images, labels, Number.NaN)).rejects.toThrow(
      'learningRate must be a finite number',
    )
    expect(digest(await classifier.getState())).toBe(before)
    classifier.dispose()
  })

  it('names the entry of a state that does not fit, and changes nothing', async () => {
    const classifier = await create()
    const state = await classifier.getState()
    const { 'output/bias': bias, ...incomplete } = state
    expect(() => classifier.setState(incomplete)).toThrow('state has no entry "output/bias", which the mlp needs')
    expect(() => classifier.setState({ ...state, extra: bias as never })).toThrow('state has an entry "extra"')
    const wrong = { ...state, 'output/bias': { shape: [3], values: new Float32Array(3) } }
    expect(() => classifier.setState(wrong)).toThrow(
      'state entry "output/bias" must have the shape [4], got [3] with 3 values',
    )
    expect(digest(await classifier.getState())).toBe(digest(state))
    classifier.dispose()
  })
})
