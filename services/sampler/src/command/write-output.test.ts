import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fakeCommand, streamOf } from './testing/fake-command.js'
import { checkTarget, writeOutput } from './write-output.js'

let folder: string
let output: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keepset-output-'))
  output = join(folder, 'run.export')
})
afterEach(() => rmSync(folder, { recursive: true }))

const { signal } = new AbortController()
const write = (target: { output: string; force?: boolean }, ...pieces: string[]) =>
  writeOutput(streamOf(...pieces), target, fakeCommand().streams, signal)

async function* breaking(): AsyncGenerator<string, void, void> {
  yield 'half'
  throw new Error('broken')
}

describe('writeOutput', () => {
  it('writes a file, and nothing else into its folder', async () => {
    await write({ output }, 'one ', 'two')
    expect(readFileSync(output, 'utf8')).toBe('one two')
    expect(readdirSync(folder)).toEqual(['run.export'])
  })

  it('leaves nothing behind where the stream breaks', async () => {
    await expect(writeOutput(breaking(), { output }, fakeCommand().streams, signal)).rejects.toThrow('broken')
    expect(readdirSync(folder)).toEqual([])
  })

  it('leaves the old file as it was where the stream breaks', async () => {
    writeFileSync(output, 'old')
    const target = { output, force: true }
    await expect(writeOutput(breaking(), target, fakeCommand().streams, signal)).rejects.toThrow('broken')
    expect(readFileSync(output, 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['run.export'])
  })

  it('leaves nothing behind where the command is told to stop', async () => {
    const stop = new AbortController()
    const pieces = async function* () {
      yield 'half'
      stop.abort()
      yield 'rest'
    }
    await expect(writeOutput(pieces(), { output }, fakeCommand().streams, stop.signal)).rejects.toThrow('aborted')
    expect(readdirSync(folder)).toEqual([])
  })

  it('replaces a file with --force, through a link to it', async () => {
    writeFileSync(join(folder, 'real'), 'old')
    symlinkSync('real', output)
    const target = { output, force: true }
    await expect(writeOutput(breaking(), target, fakeCommand().streams, signal)).rejects.toThrow('broken')
    expect(readFileSync(output, 'utf8')).toBe('old')
    await write(target, 'new')
    expect(readFileSync(join(folder, 'real'), 'utf8')).toBe('new')
    expect(readdirSync(folder).toSorted()).toEqual(['real', 'run.export'])
  })

  it('does not replace a file that came while it wrote', async () => {
    const pieces = async function* () {
      yield 'mine'
      writeFileSync(output, 'theirs')
    }
    await expect(writeOutput(pieces(), { output }, fakeCommand().streams, signal)).rejects.toThrow('is there already')
    expect(readFileSync(output, 'utf8')).toBe('theirs')
    expect(readdirSync(folder)).toEqual(['run.export'])
  })

  it('writes into a pipe, and does not replace it', async () => {
    const pipe = join(folder, 'pipe')
    const script = 'mkfifo "$0" && echo "made" && exec cat "$0"'
    const reader = spawn('sh', ['-c', script, pipe], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(reader.stdout, 'readable')
    const read = reader.stdout.toArray()
    await write({ output: pipe }, 'through ', 'it')
    expect(Buffer.concat(await read).toString()).toBe('made\nthrough it')
    expect(readdirSync(folder)).toEqual(['pipe'])
  })

  it('says what is wrong with a place that cannot be written', async () => {
    const nowhere = join(folder, 'no', 'such')
    await expect(write({ output: nowhere }, 'text')).rejects.toMatchObject({
      message: `--output ${nowhere} cannot be written (ENOENT, no such file or directory): give another file`,
      exitCode: 2,
    })
  })

  it('fails where the disk is full', async () => {
    await expect(write({ output: '/dev/full' }, 'text')).rejects.toMatchObject({
      message: '--output /dev/full cannot be written (ENOSPC, no space left on device): give another file',
      exitCode: 1,
    })
  })

  it('writes to standard output and does not end it', async () => {
    const { streams, stdout } = fakeCommand()
    await writeOutput(streamOf<string | Buffer>('one ', Buffer.from('two')), { output: '-' }, streams, signal)
    expect(stdout()).toBe('one two')
    expect(streams.stdout.writable).toBe(true)
  })

  it('waits for a slow reader of standard output', async () => {
    const { streams } = fakeCommand()
    let made = 0
    const pieces = async function* () {
      for (; made < 100; made++) yield Buffer.alloc(64 * 1024)
    }
    const written = writeOutput(pieces(), { output: '-' }, streams, signal)
    // As many turns as it takes to make all pieces if nothing holds them back.
    for (let turn = 0; turn < 1000; turn++) await new Promise(setImmediate)
    expect(made).toBeLessThan(10)
    streams.stdout.resume()
    await written
    expect(made).toBe(100)
  })
})

describe('checkTarget', () => {
  it('refuses a file that is there, but for --force', async () => {
    writeFileSync(output, 'old')
    const { streams } = fakeCommand()
    await expect(checkTarget({ output }, streams, true)).rejects.toMatchObject({
      message: `--output ${output} is there already: give another file, or --force to replace it`,
      exitCode: 2,
    })
    await checkTarget({ output, force: true }, streams, true)
    await checkTarget({ output: '/dev/null' }, streams, true)
    await checkTarget({ output: join(folder, 'other') }, streams, true)
  })

  it.each([false, true])('refuses a folder, --force or not: %s', async (force) => {
    await expect(checkTarget({ output: folder, force }, fakeCommand().streams, true)).rejects.toMatchObject({
      message: `--output ${folder} is a folder: give a file in it`,
      exitCode: 2,
    })
  })

  it('refuses binary for a terminal', async () => {
    const terminal = fakeCommand({ isTTY: true }).streams
    await expect(checkTarget({ output: '-' }, terminal, false)).rejects.toMatchObject({
      message: 'standard output is a terminal and the output is binary: give --output FILE, or pipe it on',
      exitCode: 2,
    })
    await checkTarget({ output: '-' }, terminal, true)
    await checkTarget({ output }, terminal, false)
    await checkTarget({ output: '-' }, fakeCommand().streams, false)
  })
})
