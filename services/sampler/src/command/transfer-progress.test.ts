import { RunNotFoundError, UnavailableError } from '@keepset/client'
import { describe, expect, it } from 'vitest'
import { fakeCommand, streamOf } from './testing/fake-command.js'
import { TransferProgress } from './transfer-progress.js'

const describeDone = (done: number) => `exported ${done} bytes`

async function watch(isTTY: boolean) {
  const command = fakeCommand({ isTTY })
  const progress = new TransferProgress(command.streams, describeDone)
  const passed: string[] = []
  for await (const piece of progress.watch(streamOf('four', 'fives'), ({ length }) => length)) passed.push(piece)
  return { ...command, progress, passed }
}

describe('TransferProgress', () => {
  it('passes everything on and adds up the sizes', async () => {
    const { progress, passed } = await watch(false)
    expect(passed).toEqual(['four', 'fives'])
    expect(progress.done).toBe(9)
  })

  it('shows a line on a terminal, and takes it away at the end', async () => {
    const { stderr } = await watch(true)
    const blank = ' '.repeat('exported 4 bytes'.length)
    expect(stderr()).toBe(`\rexported 4 bytes\r${blank}\r`)
  })

  it('writes nothing where there is no terminal', async () => {
    expect((await watch(false)).stderr()).toBe('')
  })

  it('tells a connection that broke under way from one that was never there', async () => {
    const error = new UnavailableError('UNAVAILABLE', 'gone')
    expect((await watch(false)).progress.explain(error, 'start again')).toMatchObject({
      message: 'the connection to the sampler broke (exported 9 bytes): start again',
      exitCode: 1,
      cause: error,
    })
    expect(new TransferProgress(fakeCommand().streams, describeDone).explain(error, 'start again')).toBe(error)
  })

  it('leaves an answer of the sampler as it is', async () => {
    const { progress } = await watch(false)
    for (const error of [
      new UnavailableError('UNAVAILABLE', 'draining', { reason: 'DRAINING' }),
      new RunNotFoundError('NOT_FOUND', 'none', { reason: 'RUN_NOT_FOUND' }),
    ]) {
      expect(progress.explain(error, 'start again')).toBe(error)
    }
  })
})
