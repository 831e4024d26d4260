import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Backend, BackendName } from '../backends/backend.js'
import { loadBackend } from '../backends/load-backend.js'
import { whyNoNative } from '../backends/testing/native.js'
import { type ClassifierOptions, type ClassifierState, createClassifier } from './classifier.js'
import type { ModelName } from './models.js'
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
    losses.push((await classifier.trainBatch(images, labels, rate)).losses)
  }
  const { images, labels } = createBatch(options.inputShape, 99)
  losses.push((await classifier.score(images, labels)).losses)
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
    const { correct } = (await classifier.score(images, labels, ['correct'])).columns
    expect(correct?.reduce((sum, isCorrect) => sum + isCorrect, 0)).toBeGreaterThan(90)
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
      await classifier.trainBatch(images, labels, 0.01, step > 0 ? ['el2n'] : [])
      expect(tf.memory().numTensors).toBe(created)
    }
    await classifier.score(images, labels, ['correct'])
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

  it.skipIf(reasonToSkip)('goes by the mean of weight x loss, also where batch norm mixes the samples', async () => {
    const backend = await loadBackend(name)
    const options = { ...optionsFor('cnn'), momentum: 0, weightDecay: 0 }
    const { images, labels } = createBatch(options.inputShape, 1)
    /** What a step at rate 1 moves the parameters by: the gradient of the mean. */
    const step = async (weightOf: Readonly<Record<number, number>>) => {
      const classifier = createClassifier(backend, options)
      const before = await classifier.getState()
      const weights = Float32Array.from(labels, (_, index) => weightOf[index] ?? 1)
      const { losses } = await classifier.trainBatch(images, labels, 1, [], weights)
      const after = await classifier.getState()
      classifier.dispose()
      const parameters = Object.keys(before).filter((entry) => !/(velocity|mean|variance)$/.test(entry))
      const moved = parameters.flatMap((entry) =>
        Array.from(after[entry]?.values ?? [], (value, i) => value - (before[entry]?.values[i] ?? Number.NaN)),
      )
      return { losses, moved }
    }
    const plain = await step({})
    const [first, second, both] = [await step({ 2: 4 }), await step({ 9: 7 }), await step({ 2: 4, 9: 7 })]
    expect(both.losses).toEqual(plain.losses)
    // The gradient is linear in the weights.
    const expected = plain.moved.map((value, i) => (first.moved[i] ?? 0) + (second.moved[i] ?? 0) - value)
    const largest = (values: number[]) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const change = largest(expected.map((value, i) => value - (plain.moved[i] ?? 0)))
    expect(change).toBeGreaterThan(0.1 * largest(plain.moved))
    expect(largest(expected.map((value, i) => value - (both.moved[i] ?? Number.NaN)))).toBeLessThan(1e-3 * change)
  })

  it.skipIf(reasonToSkip)('with weights steps as with each sample as often as its weight says', async () => {
    const backend = await loadBackend(name)
    const options = { ...optionsFor('mlp'), momentum: 0, weightDecay: 0 }
    const { images, labels } = createBatch(options.inputShape, 1)
    const imageSize = images.length / labels.length
    const weights = Float32Array.from({ length: BATCH }, (_, index) => 1 + (index % 3))
    const copies = Array.from(weights).flatMap((weight, index) => Array<number>(weight).fill(index))
    const repeated = Float32Array.from(
      copies.flatMap((index) => Array.from(images.subarray(index * imageSize, (index + 1) * imageSize))),
    )
    const classifier = createClassifier(backend, options)
    const twin = createClassifier(backend, options)
    const before = await classifier.getState()
    await classifier.trainBatch(images, labels, 0.5, [], weights)
    // The mean of the copies is over more of them: the rate makes up for it.
    const rate = (0.5 * copies.length) / BATCH
    await twin.trainBatch(
      repeated,
      Uint8Array.from(copies, (index) => labels[index] as number),
      rate,
    )
    const [after, expected] = [await classifier.getState(), await twin.getState()]
    for (const [entry, { values }] of Object.entries(expected)) {
      if (entry.endsWith('/velocity')) continue
      const largest = values.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (before[entry]?.values[i] ?? 0))),
        0,
      )
      const distance = values.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (after[entry]?.values[i] ?? Number.NaN))),
        0,
      )
      expect(distance, entry).toBeLessThan(1e-4 * largest)
    }
    classifier.dispose()
    twin.dispose()
  })

  it.skipIf(reasonToSkip)('takes weights of 1 for none, bit for bit, and leaves no tensors', async () => {
    const backend = await loadBackend(name)
    const options = optionsFor('cnn')
    const { images, labels } = createBatch(options.inputShape, 1)
    const classifier = createClassifier(backend, options)
    const twin = createClassifier(backend, options)
    const { numTensors } = backend.tf.memory()
    for (let step = 0; step < 2; step++) {
      await classifier.trainBatch(images, labels, 0.1, ['el2n'], new Float32Array(BATCH).fill(1))
      await twin.trainBatch(images, labels, 0.1)
      expect(backend.tf.memory().numTensors).toBe(numTensors)
    }
    expect(digest(await classifier.getState())).toBe(digest(await twin.getState()))
    classifier.dispose()
    twin.dispose()
  })

  it.skipIf(reasonToSkip)('trains on a copy of the images, labels and weights', async () => {
    const backend = await loadBackend(name)
    const options = optionsFor('mlp')
    const { images, labels } = createBatch(options.inputShape, 1)
    const classifier = createClassifier(backend, options)
    const twin = createClassifier(backend, options)
    const weights = Float32Array.from(labels, (label) => 1 + label)
    const expected = await twin.trainBatch(images, labels, 0.1, [], weights)
    const training = classifier.trainBatch(images, labels, 0.1, [], weights)
    images.fill(0)
    labels.fill(0)
    weights.fill(9)
    expect(await training).toEqual(expected)
    expect(digest(await classifier.getState())).toBe(digest(await twin.getState()))
    twin.dispose()
    classifier.dispose()
  })

  it.skipIf(reasonToSkip)('scores more images than one pass takes, without changing anything', async () => {
    const backend = await loadBackend(name)
    const options = optionsFor('cnn')
    const classifier = createClassifier(backend, options)
    const before = digest(await classifier.getState())
    const { images, labels } = createBatch(options.inputShape, 3, 260)
    const whole = await classifier.score(images, labels)
    const last = await classifier.score(images.subarray(250 * 784), labels.subarray(250))
    expect(whole.losses).toHaveLength(260)
    expect(
      Math.max(...last.losses.map((loss, index) => Math.abs(loss - (whole.losses[250 + index] as number)))),
    ).toBeLessThan(1e-5)
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
    await expect(classifier.score(new Float32Array(0), new Uint8Array(0))).rejects.toThrow('at least one sample')
    await expect(classifier.trainBatch(images, labels, Number.NaN)).rejects.toThrow(
      'learningRate must be a finite number',
    )
    for (const [weights, message] of [
      [new Float32Array(15).fill(1), '16 labels need as many weights, got 15'],
      [new Float32Array(16).fill(1).fill(0, 3, 4), 'weights must be finite numbers above 0, got 0'],
      [new Float32Array(16).fill(1).fill(Number.NaN, 3, 4), 'above 0, got NaN'],
      [new Float32Array(16).fill(Number.POSITIVE_INFINITY), 'above 0, got Infinity'],
    ] as const) {
      await expect(classifier.trainBatch(images, labels, 0.1, [], weights)).rejects.toThrow(message)
    }
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
