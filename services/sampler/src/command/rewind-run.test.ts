import { describe, expect, it } from 'vitest'
import { rewindRun } from './rewind-run.js'
import { fakeCommand, runInfo } from './testing/fake-command.js'

function rewinding(before = runInfo({ generation: 4 }), isTTY = false) {
  const calls: unknown[] = []
  const client = {
    getRun: async () => before,
    rewindRun: async (...call: [string, number, number?]) => {
      calls.push(call)
      return runInfo({ nextEpoch: call[1], generation: before.generation + 1 })
    },
  }
  return { ...fakeCommand({ isTTY, client }), calls }
}

describe('rewindRun', () => {
  it('rewinds from the generation that it saw, and names what is forgotten', async () => {
    const { context, calls, stdout } = rewinding()
    await rewindRun(context, 'demo', 10, { yes: true })
    expect(calls).toEqual([['demo', 10, 4]])
    expect(stdout()).toBe(
      'run demo is at the start of epoch 10, generation 5; it forgot the plans and reports of epochs 10 and 11\n',
    )
  })

  it.each([
    [runInfo(), 11, 'the plans and reports of epoch 11'],
    [runInfo({ nextEpoch: 15 }), 10, 'the plans and reports of epochs 10 to 14'],
    [runInfo(), 12, 'nothing'],
    [runInfo({ state: 'finished' }), 12, 'that it is finished'],
    [runInfo({ state: 'finished' }), 11, 'the plans and reports of epoch 11 and that it is finished'],
  ])('says what will be forgotten before it asks: case %#', async (before, epoch, forgotten) => {
    const { context, streams, calls, stderr } = rewinding(before, true)
    streams.stdin.write('n\n')
    await expect(rewindRun(context, 'demo', epoch, {})).rejects.toMatchObject({
      message: 'run demo was not rewound',
      exitCode: 1,
    })
    expect(stderr()).toContain(
      `Rewind run demo to the start of epoch ${epoch}? It forgets ${forgotten}, and refuses trainers that know generation 1. [y/N] `,
    )
    expect(calls).toEqual([])
  })

  it.each([
    [
      [0, 10, 11],
      'cannot go back to epoch 9: the sampler keeps the starts of epochs 0, 10, and 11 (--epoch-starts sets how many)',
    ],
    [[0], 'cannot go back to epoch 9: the sampler keeps the start of epoch 0 (--epoch-starts sets how many)'],
  ])('says which epochs there are: %j', async (epochStarts, message) => {
    const { context, calls } = rewinding(runInfo({ epochStarts }))
    await expect(rewindRun(context, 'demo', 9, { yes: true })).rejects.toMatchObject({
      message: `run demo ${message}`,
      exitCode: 1,
    })
    expect(calls).toEqual([])
  })

  it('needs --yes where there is no terminal', async () => {
    const { context, calls } = rewinding()
    await expect(rewindRun(context, 'demo', 10, {})).rejects.toMatchObject({ exitCode: 2 })
    expect(calls).toEqual([])
  })

  it('prints the run as JSON where that is asked for', async () => {
    const { context, stdout } = rewinding()
    await rewindRun(context, 'demo', 10, { yes: true, json: true })
    expect(JSON.parse(stdout())).toMatchObject({ run_id: 'demo', next_epoch: 10, generation: 5 })
  })
})
