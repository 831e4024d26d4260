import { expect, test } from 'vitest'
import { type Refusal, refused } from './refusal.js'
import type { TestSampler } from './test-sampler.js'

/** A call that must be refused, and what must be said of it. */
export interface RefusalRow {
  readonly name: string
  call(sampler: TestSampler): Promise<unknown>
  readonly code: Refusal['code']
  readonly reason: string
  /** The field that BadRequest names: with INVALID_FIELD. */
  readonly field?: string
  /** Parts that the text must have: the field or its value. */
  readonly text: readonly string[]
}

/** Most bytes that the trailers of a refusal may have: what common clients take by default. */
const MAX_TRAILER_BYTES = 8 * 1024

const BYSTANDER = 'bystander'

/** Plans the next epoch of a run of its own and reports to it. */
async function useBystander(sampler: TestSampler): Promise<void> {
  const { nextEpoch: epoch } = await sampler.createRun(BYSTANDER, { sampleCount: 10, pruneRate: 0.5 })
  const { header, indices } = await sampler.plan({ runId: BYSTANDER, epoch })
  expect(header.positionCount).toBe(indices.length)
  const ack = await sampler.report({ runId: BYSTANDER, epoch, sequence: 1, indices })
  expect(ack).toMatchObject({ duplicate: false, observationCount: indices.length })
}

/** A test a row: the call is refused as said, nothing that the sampler tells of its runs changes, and another run goes on. */
export function testRefusals(sampler: () => TestSampler, rows: readonly RefusalRow[]): void {
  test.each(rows.map((row) => [row.name, row] as const))('%s', async (_, row) => {
    const before = await sampler().dump()
    const refusal = await refused(row.call(sampler()))
    expect(refusal).toMatchObject({ code: row.code, reason: row.reason, domain: 'keepset.dev' })
    expect(refusal.fields).toEqual(row.field === undefined ? [] : [row.field])
    for (const part of row.text) expect(refusal.text).toContain(part)
    expect(refusal.trailerBytes).toBeLessThan(MAX_TRAILER_BYTES)
    expect(await sampler().dump()).toBe(before)
    await useBystander(sampler())
  })
}
