import { describe, expect, it, vi } from 'vitest'
import { loadBackend } from '../backends/load-backend.js'
import { BatchMaker } from '../data/batch-maker.js'
import { bundledDataDirectory, readDataSet } from '../data/read-data-set.js'
import { createClassifier } from '../models/classifier.js'
import { evaluate } from './evaluate.js'

describe('evaluate', () => {
  it('gives the mean loss and the share of right answers over all images, and lets the event loop turn on the way', async () => {
    const data = readDataSet(bundledDataDirectory)
    const { inputShape, classes } = data
    const maker = new BatchMaker(data)
    const classifier = createClassifier(await loadBackend('wasm'), { model: 'mlp', inputShape, classes, seed: 1 })
    const count = 1200
    const { images, labels } = maker.testBatch(0, count)
    const { losses, columns } = await classifier.score(images, labels, ['correct'])
    const correct = columns.correct?.reduce((sum, isCorrect) => sum + isCorrect, 0) ?? 0

    let turns = 0
    const turnsBefore: number[] = []
    const countTurns = () => {
      turns++
      timer = setImmediate(countTurns)
    }
    let timer = setImmediate(countTurns)
    const makeBatch = maker.testBatch.bind(maker)
    vi.spyOn(maker, 'testBatch').mockImplementation((start, size) => {
      turnsBefore.push(turns)
      return makeBatch(start, size)
    })
    const evaluation = await evaluate(classifier, maker, count)
    clearImmediate(timer)
    classifier.dispose()

    expect(evaluation.loss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / count, 5)
    expect(evaluation.accuracy).toBe(correct / count)
    expect(turnsBefore.length).toBeGreaterThan(1)
    expect(new Set(turnsBefore).size).toBe(turnsBefore.length)
  })
})
