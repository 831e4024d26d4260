import { DataLossError } from '@keepset/client'
import { describe, expect, it } from 'vitest'
import { deleteRun } from './delete-run.js'
import { fakeCommand, runInfo } from './testing/fake-command.js'

function deleting(isTTY: boolean, getRun: () => Promise<ReturnType<typeof runInfo>> = async () => runInfo()) {
  const deleted: string[] = []
  const client = {
    getRun,
    deleteRun: async (runId: string) => {
      deleted.push(runId)
    },
  }
  return { ...fakeCommand({ isTTY, client }), deleted }
}

describe('deleteRun', () => {
  it('deletes unasked with --yes, and says so', async () => {
    const { context, deleted, stdout } = deleting(false)
    await deleteRun(context, 'demo', { yes: true })
    expect(deleted).toEqual(['demo'])
    expect(stdout()).toBe('deleted run demo\n')
  })

  it('prints JSON where that is asked for', async () => {
    const { context, stdout } = deleting(false)
    await deleteRun(context, 'demo', { yes: true, json: true })
    expect(JSON.parse(stdout())).toEqual({ run_id: 'demo', deleted: true })
  })

  it('needs --yes where there is no terminal', async () => {
    const { context, deleted } = deleting(false)
    await expect(deleteRun(context, 'demo', {})).rejects.toMatchObject({
      message: 'there is no terminal to ask on: give --yes to go on unasked',
      exitCode: 2,
    })
    expect(deleted).toEqual([])
  })

  it.each(['y', 'YES', ' yes '])('asks on a terminal, and deletes on "%s"', async (answer) => {
    const { context, streams, deleted, stderr } = deleting(true)
    streams.stdin.write(`${answer}\n`)
    await deleteRun(context, 'demo', {})
    expect(deleted).toEqual(['demo'])
    expect(stderr()).toContain(
      'Delete run demo (active, 60,000 samples, 12 epochs planned) and all that is known of it? [y/N] ',
    )
  })

  it.each(['n\n', '\n', 'yesterday\n', undefined])('deletes nothing on %j', async (answer) => {
    const { context, streams, deleted } = deleting(true)
    if (answer === undefined) streams.stdin.end()
    else streams.stdin.write(answer)
    await expect(deleteRun(context, 'demo', {})).rejects.toMatchObject({
      message: 'run demo was not deleted',
      exitCode: 1,
    })
    expect(deleted).toEqual([])
  })

  it('stops asking when the command is told to stop', async () => {
    const { context, stop, deleted } = deleting(true)
    const asked = deleteRun(context, 'demo', {})
    stop()
    await expect(asked).rejects.toThrow()
    expect(deleted).toEqual([])
  })

  it('deletes a damaged run too', async () => {
    const { context, streams, deleted, stderr } = deleting(true, async () => {
      throw new DataLossError('DATA_LOSS', 'damaged')
    })
    streams.stdin.write('y\n')
    await deleteRun(context, 'demo', {})
    expect(stderr()).toContain('Delete run demo (its record is damaged) and')
    expect(deleted).toEqual(['demo'])
  })
})
