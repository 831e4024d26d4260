import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Sampler, startSampler } from '@keepset/sampler'
import { loadCheckpoint, train } from '@keepset/trainer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeTinyDataSet } from '../../support/tiny-data-set.js'
import { TrainerProcess } from './trainer-process.js'

let sampler: Sampler
let folder: string
let data: string
beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
  folder = mkdtempSync(join(tmpdir(), 'keepset-command-'))
  data = join(folder, 'data')
  writeTinyDataSet(data, 500, 50)
})
afterAll(async () => {
  await sampler.stop()
  rmSync(folder, { recursive: true })
})

/** Runs the command in a process of its own, to its end. */
const runCommand = (args: readonly string[]) => new TrainerProcess(args).ended

/** Runs the command until its output fits, does something to it, and waits for its end. */
async function interrupt(args: readonly string[], pattern: RegExp, act: (trainer: TrainerProcess) => void) {
  const trainer = new TrainerProcess(args)
  await trainer.printed(pattern)
  act(trainer)
  return trainer.ended
}

const quick = () => ['--address', sampler.addresses.grpc, '--backend', 'wasm', '--model', 'mlp', '--data', data]

// Each test starts processes, which takes seconds on a busy machine.
describe('keepset train', { timeout: 120_000 }, () => {
  it('refuses a bad value in one line, with exit code 2', async () => {
    expect(await runCommand(['--prune-rate', '1'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: --prune-rate 1: must be a number from 0 up to, but not including, 1\n',
    })
  })

  it('says what to do when no sampler answers, with exit code 1', async () => {
    const { code, stderr } = await runCommand([...quick(), '--address', '127.0.0.1:1', '--connect-timeout', '0.1'])
    expect(stderr).toMatch(
      /^error: no sampler answers at 127\.0\.0\.1:1: start one with "keepset serve", or correct --address \(.*\)\n$/,
    )
    expect(code).toBe(1)
  })

  it('says which settings the sampler does not take, with exit code 2', async () => {
    const settings = ['--policy', 'static_score', '--policy-settings', 'metric=el2n,observe_epochs=0']
    expect(await runCommand([...quick(), ...settings])).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: .*spec\.static_score\.observe_epochs is 0; it must be a whole number from 1 to 65535.*\n$/,
      ),
    })
    const tooMany = await runCommand([...quick(), '--policy', 'static_score', '--policy-settings', 'metric=el2n'])
    expect(tooMany.stderr).toMatch(/spec\.warmup_epochs 20 and spec\.tail_epochs 0 exceed spec\.total_epochs 10/)
    expect(tooMany.code).toBe(2)
  })

  it('prints a plain line for the run, the backend, each epoch, the selections and the end where there is no terminal; the run is over then', async () => {
    const { code, stdout } = await runCommand([...quick(), '--epochs', '2', '--run-id', 'lines'])
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toEqual([
      expect.stringMatching(
        /^run lines: mlp with [\d,]+ parameters, ucb, prune rate 0\.5, 500 training and 50 test images$/,
      ),
      expect.stringMatching(/^backend wasm: asked for/),
      expect.stringMatching(
        /^epoch 0 of 2 {2}loss \d\.\d{4} {2}test accuracy \d+\.\d % {2}kept 100\.0 % \(warmup\) {2}saving 0\.0 %/,
      ),
      expect.stringMatching(
        /^epoch 1 of 2 .*kept 50\.0 % \(selected\) {2}saving 25\.0 % {2}[\d,]+ images\/s {2}\d+\.\d s$/,
      ),
      'selections: kept always 50.0 %, sometimes 0.0 %, never 50.0 %',
      expect.stringMatching(/^done: test accuracy \d+\.\d % after 2 epochs, 750 images trained, saving 25\.0 %, /),
    ])

    const again = await runCommand([...quick(), '--epochs', '2', '--run-id', 'lines'])
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: .*Give another --run-id/) })
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stops cleanly on %s, and goes on with --resume', async (signal, exitCode) => {
    const checkpoint = join(folder, signal)
    const args = [...quick(), '--checkpoint', checkpoint, '--epochs', '100000', '--policy', 'random', '--resume']
    const stopped = await interrupt(args, /^epoch +1 of/m, (trainer) => trainer.signal(signal))
    expect(stopped).toMatchObject({ code: exitCode, stderr: `stopped by ${signal}; go on with --resume\n` })
    const nextEpoch = loadCheckpoint(checkpoint)?.nextEpoch ?? 0
    expect(nextEpoch).toBeGreaterThanOrEqual(2)

    const resumed = await interrupt(args, /^epoch/m, (trainer) => trainer.signal(signal))
    expect(resumed.stdout).toContain(`resumed at epoch ${nextEpoch}\nepoch`)
    expect(resumed.code).toBe(exitCode)
  })

  it('ends quietly when nobody reads its output any more', async () => {
    const args = [...quick(), '--epochs', '100000']
    const { code, stderr } = await interrupt(args, /^run/, (trainer) => trainer.closeOutput())
    expect(stderr).toBe('')
    expect(code).toBe(141)
  })

  it('loses nothing but time when it is killed: resumed, it ends with the weights of an undisturbed training', async () => {
    const epochs = 60
    const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')]
    const args = [...quick(), '--epochs', String(epochs), '--resume', '--checkpoint']
    await train({
      address: sampler.addresses.grpc,
      backend: 'wasm',
      model: 'mlp',
      data,
      epochs,
      checkpoint: whole,
    })

    for (const moment of [/^epoch +2 of/m, /^epoch +\d+ of .*\nepoch/m]) {
      const { code } = await interrupt([...args, killed], moment, (trainer) => trainer.signal('SIGKILL'))
      expect(code).toBeNull()
    }
    expect((await runCommand([...args, killed])).code).toBe(0)

    const [expected, got] = [loadCheckpoint(whole), loadCheckpoint(killed)]
    const digests = (checkpoint: typeof got) =>
      checkpoint?.records.flatMap((record) => (record.type === 'epoch' ? record.digest : []))
    expect(digests(got)).toHaveLength(epochs)
    expect(digests(got)).toEqual(digests(expected))
    expect(got?.state).toEqual(expected?.state)
  })

  it('refuses a damaged checkpoint', async () => {
    const checkpoint = mkdtempSync(join(folder, 'damaged-'))
    writeFileSync(join(checkpoint, 'checkpoint.bin'), 'not one')
    const { code, stderr } = await runCommand([...quick(), '--checkpoint', checkpoint, '--resume'])
    expect(stderr).toMatch(/not a checkpoint of this trainer\. Delete the file/)
    expect(code).toBe(2)
  })
})
