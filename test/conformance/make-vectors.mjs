/** Makes the conformance vectors with the oracle: `node test/conformance/make-vectors.mjs` rewrites vectors/. README.md has the format. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cases } from './cases.mjs'
import { createRandom, losses, metricKinds } from './losses.mjs'
import { digest, OracleRun } from './oracle.mjs'

export const VECTORS = fileURLToPath(new URL('vectors', import.meta.url))

/** Which of a rank's positions are reported: (positions, rank, random) → sample indices. */
const ways = {
  all: (positions) => positions,
  none: () => [],
  thirds: (positions) => positions.filter((index) => index % 3 !== 0),
  partial: (positions, _rank, random) => positions.slice(0, Math.floor(random() * (positions.length + 1))),
  evenRanks: (positions, rank) => (rank % 2 === 0 ? positions : []),
  twice: (positions) => [...positions, ...positions],
}

/** A seed of test data from a case's name, so that adding a case leaves the other vectors as they are. */
const seedOf = (name) => [...name].reduce((seed, letter) => (Math.imul(seed, 31) + letter.codePointAt(0)) >>> 0, 0)

const meanOf = (values) => Math.fround(values.reduce((sum, value) => sum + value, 0) / values.length)

/** The values that are reported of some samples: { losses, metrics }, without metrics where the case has none. */
function makeValues(sampleIndices, epoch, { losses: kind = 'plain', metrics = {}, spec }, random) {
  const values = sampleIndices.map((index) => losses[kind](random, index, epoch))
  const byBatch = spec.scoreSource === 'SCORE_SOURCE_BATCH_LOSS'
  const columns = Object.entries(metrics).map(([name, metric]) => [
    name,
    sampleIndices.map((index) => metricKinds[metric](random, index, epoch)),
  ])
  return {
    losses: byBatch ? [meanOf(values)] : values,
    ...(columns.length > 0 ? { metrics: Object.fromEntries(columns) } : {}),
  }
}

/** The reports of an epoch, batch by batch over the ranks in turn, as trainers in step would send them: of what they train on, then of what they score. */
function makeReports({ ranks, scoring }, epoch, settings, random) {
  const { reports: way = 'all', batch = 16 } = settings
  const sequences = ranks.map(() => 0)
  const reports = []
  const addBatches = (indicesOfRanks, rest) => {
    for (let start = 0; indicesOfRanks.some((indices) => start < indices.length); start += batch) {
      indicesOfRanks.forEach((indices, rank) => {
        const sampleIndices = indices.slice(start, start + batch)
        if (sampleIndices.length === 0) return
        sequences[rank] += 1
        const values = makeValues(sampleIndices, epoch, settings, random)
        reports.push({ rank, sequence: sequences[rank], ...rest, sampleIndices, ...values })
      })
    }
  }
  addBatches(ranks.map((positions, rank) => ways[way](positions, rank, random)))
  addBatches(scoring, { scoreOnly: true })
  return reports
}

function describePlan(plan, digestsOnly) {
  const { reason, selectionEpoch, keptCount, saving, keptSet, weights, learningRateFactor, order, ranks, scoring } =
    plan
  const header = { reason, selectionEpoch, keptCount, saving, digest: plan.digest }
  const list = (name, indices) => (digestsOnly ? { [`${name}Digest`]: digest(indices) } : { [name]: indices })
  return {
    ...header,
    ...(learningRateFactor === 1 ? {} : { learningRateFactor }),
    ...list('keptSet', keptSet),
    ...(weights?.some((weight) => weight !== 1) ? { weights } : {}),
    ...(digestsOnly ? {} : { order }),
    ranks: ranks.map((positions, rank) => ({ rank, positionCount: positions.length, ...list('positions', positions) })),
    ...(scoring.some((indices) => indices.length > 0) ? { scoring } : {}),
  }
}

/** Runs a case through the oracle. */
function makeVector({ name, description, worlds, digestsOnly = false, ...settings }) {
  const { spec } = settings
  const random = createRandom(seedOf(name))
  const run = new OracleRun(spec)
  const epochs = worlds.map((worldSize, epoch) => {
    const plan = run.planEpoch(worldSize)
    const reports = makeReports(plan, epoch, settings, random)
    for (const { sampleIndices, losses: values, metrics } of reports) run.report(sampleIndices, values, metrics)
    return { epoch, worldSize, expected: describePlan(plan, digestsOnly), reports }
  })
  const everReported = run.progress.reports > 0
  return { description, spec, epochs, progress: run.progress, ...(everReported ? { statistics: run.statistics } : {}) }
}

const formatNumber = (value) => {
  if (!Number.isFinite(value)) return `"${value}"`
  return Object.is(value, -0) ? '-0.0' : String(value)
}

/** JSON with short values on one line. Keeps the sign of -0 and writes NaN and infinities as strings. */
export function format(value, indent = '') {
  if (typeof value === 'number') return formatNumber(value)
  if (typeof value !== 'object') return JSON.stringify(value)
  const inner = `${indent} `
  const list = Array.isArray(value)
  const parts = list
    ? value.map((item) => format(item, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${format(item, inner)}`)
  const [open, close] = list ? '[]' : '{}'
  const scalars = list && value.every((item) => typeof item !== 'object')
  const short = parts.join(', ')
  if (scalars || (short.length <= 120 && !short.includes('\n')))
    return `${open}${scalars ? parts.join(',') : short}${close}`
  return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${indent}${close}`
}

/** File name → contents of every vector. */
export function makeVectors() {
  return new Map(cases.map((each) => [`${each.name}.json`, `${format(makeVector(each))}\n`]))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const vectors = makeVectors()
  mkdirSync(VECTORS, { recursive: true })
  for (const file of readdirSync(VECTORS)) if (!vectors.has(file)) rmSync(join(VECTORS, file))
  for (const [file, text] of vectors) writeFileSync(join(VECTORS, file), text)
}
