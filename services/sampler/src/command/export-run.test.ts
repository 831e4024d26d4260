import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UnavailableError } from '@keepset/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exportRun } from './export-run.js'
import { fakeCommand, streamOf } from './testing/fake-command.js'

let folder: string
let output: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keepset-export-'))
  output = join(folder, 'demo.export')
})
afterEach(() => rmSync(folder, { recursive: true }))

const pieces = [new Uint8Array([1, 2]), new Uint8Array(1500).fill(3)]
const client = { exportRun: () => streamOf(...pieces) }

describe('exportRun', () => {
  it('writes a file, and says on standard error what it wrote', async () => {
    const { context, stdout, stderr } = fakeCommand({ client })
    await exportRun(context, 'demo', { output })
    expect(readFileSync(output)).toEqual(Buffer.concat(pieces))
    expect(stderr()).toBe(`exported run demo to ${output} (1.5 kB)\n`)
    expect(stdout()).toBe('')
  })

  it('writes the bytes alone to standard output', async () => {
    const { context, streams, stderr } = fakeCommand({ client })
    await exportRun(context, 'demo', { output: '-' })
    expect(streams.stdout.read()).toEqual(Buffer.concat(pieces))
    expect(stderr()).toBe('')
  })

  it('asks the sampler for nothing where the target is refused', async () => {
    const { context } = fakeCommand({ isTTY: true })
    await expect(exportRun(context, 'demo', { output: '-' })).rejects.toThrow('standard output is a terminal')
  })

  it('says how far it came where the connection breaks, and leaves no file', async () => {
    const exportRunBreaking = async function* () {
      yield* pieces
      throw new UnavailableError('UNAVAILABLE', 'gone')
    }
    const { context } = fakeCommand({ client: { exportRun: exportRunBreaking } })
    await expect(exportRun(context, 'demo', { output })).rejects.toMatchObject({
      message: 'the connection to the sampler broke (exported 1.5 kB): export the run again',
    })
    expect(readdirSync(folder)).toEqual([])
  })
})
