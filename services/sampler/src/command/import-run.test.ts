import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommandContext } from './command-context.js'
import { importRun } from './import-run.js'
import { fakeCommand, runInfo } from './testing/fake-command.js'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keepset-import-'))
  file = join(folder, 'demo.export')
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A sampler that takes every import, and what it was given. */
function importing(isTTY = false) {
  const taken: { bytes: Buffer; options: unknown }[] = []
  const client = {
    importRun: async (source: AsyncIterable<Uint8Array>, options: { runId?: string } = {}) => {
      const pieces: Uint8Array[] = []
      for await (const piece of source) pieces.push(piece)
      taken.push({ bytes: Buffer.concat(pieces), options })
      return { runId: options.runId ?? 'demo' }
    },
    getRun: async (runId: string) => runInfo({ runId }),
  } as Pick<CommandContext['client'], 'importRun' | 'getRun'>
  return { ...fakeCommand({ isTTY, client }), taken }
}

describe('importRun', () => {
  it('sends a file, and says what became of it', async () => {
    const bytes = Buffer.alloc(3_000_000, 'keepset')
    writeFileSync(file, bytes)
    const { context, taken, stdout, stderr } = importing()
    await importRun(context, file, {})
    expect(taken).toHaveLength(1)
    expect(taken[0]?.bytes.equals(bytes)).toBe(true)
    expect(taken[0]?.options).toEqual({})
    expect(stdout()).toBe('imported run demo: 60,000 samples, ucb, next epoch 12\n')
    expect(stderr()).toBe('')
  })

  it('sends standard input, under another name', async () => {
    const { context, streams, taken, stdout } = importing()
    streams.stdin.end('piped')
    await importRun(context, '-', { as: 'copy', json: true })
    expect(taken).toEqual([{ bytes: Buffer.from('piped'), options: { runId: 'copy' } }])
    expect(JSON.parse(stdout())).toMatchObject({ run_id: 'copy', next_epoch: 12 })
  })

  it('refuses a terminal as standard input', async () => {
    await expect(importRun(importing(true).context, '-', {})).rejects.toMatchObject({
      message: 'standard input is a terminal: give the file of an export, or pipe one in',
      exitCode: 2,
    })
  })

  it('names a file that cannot be read', async () => {
    const remedy = 'give a file that "keepset runs export" wrote, or - for standard input'
    await expect(importRun(importing().context, file, {})).rejects.toMatchObject({
      message: `${file} cannot be read (ENOENT, no such file or directory): ${remedy}`,
      exitCode: 2,
    })
    await expect(importRun(importing().context, folder, {})).rejects.toMatchObject({
      message: `${folder} cannot be read (EISDIR, illegal operation on a directory): ${remedy}`,
      exitCode: 2,
    })
  })

  it('ends when it is told to stop, although more may come', async () => {
    const { context, streams, stop } = importing()
    streams.stdin.write('first')
    const imported = importRun(context, '-', {})
    stop()
    await expect(imported).rejects.toThrow()
  })
})
