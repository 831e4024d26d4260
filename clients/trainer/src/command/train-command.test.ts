import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { runTrainCommand } from './train-command.js'

let stdout = ''
let stderr = ''
beforeEach(() => {
  stdout = ''
  stderr = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

describe('runTrainCommand', () => {
  it('shows every option with its default and its environment variable', async () => {
    expect(await runTrainCommand(['--help'])).toBe(0)
    const text = stdout.replace(/\s+/g, ' ')
    expect(text).toContain('Usage: keepset train [options]')
    expect(text).toContain('--epochs <count> epochs to train. Default: 10 [KEEPSET_EPOCHS]')
    expect(text).toContain('ucb: c, alpha, initial; backlog: alpha, initial; order_dp: pool_rate;')
    expect(text).toContain('Default: the bundled Fashion-MNIST subset [KEEPSET_DATA]')
    expect(stdout.match(/^ {2}--/gm)?.length).toBe(31)
    expect(stdout.match(/\[KEEPSET_[A-Z_]+\]/g)?.length).toBe(31)
  })

  const refused: [args: string[], environment: Record<string, string>, text: RegExp][] = [
    [['--prune-rate', '1'], {}, /^error: --prune-rate 1: must be a number from 0 up to, but not including, 1\n$/],
    [['--epochs', 'ten'], {}, /^error: --epochs ten: must be a whole number from 1 to 4294967295\n$/],
    [['--epochs', ''], {}, /^error: --epochs : must be a whole number from 1 to 4294967295\n$/],
    [['--limit', 'Infinity'], {}, /^error: --limit Infinity: must be a whole number/],
    [['--model', 'vgg'], {}, /^error: --model vgg: must be one of mlp, cnn, resnet8\n$/],
    [
      ['--policy-settings', 'c=0.2,epsilon=0.2'],
      {},
      /^error: --policy-settings c=0.2,epsilon=0.2: "epsilon" is not used by the policy ucb: its settings are c, alpha, initial\n$/,
    ],
    [['--policy-settings', 'c=big'], {}, /^error: --policy-settings c=big: c must be a number\n$/],
    [['--policy-settings', 'c'], {}, /^error: --policy-settings c=: c must be a number\n$/],
    [[], { KEEPSET_POLICY_SETTINGS: 'x=1' }, /^error: KEEPSET_POLICY_SETTINGS x=1: "x" is not used by the policy ucb/],
    [['--policy', 'custom_score'], {}, /^error: --policy custom_score: custom_score keeps by a score of the trainer/],
    [[], { KEEPSET_BATCH_SIZE: '0' }, /^error: KEEPSET_BATCH_SIZE 0: must be a whole number from 1 to 65536\n$/],
    [['--batch-size', '-1'], { KEEPSET_BATCH_SIZE: '2' }, /^error: --batch-size -1: must be/],
    [['--resume'], {}, /^error: --resume true: needs the folder of the checkpoint\n$/],
    [[], { KEEPSET_RESUME: 'maybe' }, /^error: KEEPSET_RESUME maybe: must be true or false\n$/],
    [
      ['--columns', 'el2n,margin'],
      {},
      /^error: --columns el2n,margin: must be names out of correct, [^\n]*commas between\n$/,
    ],
    [['--columns', ''], {}, /^error: --columns : must be names out of /],
    [
      ['--model', 'cnn'],
      { KEEPSET_COLUMNS: 'correct,grand' },
      /^error: KEEPSET_COLUMNS correct,grand: grand is not there for the model cnn, [^\n]*: take the model mlp, or el2n/,
    ],
    [['--bogus'], {}, /^error: unknown option '--bogus'\n$/],
    [['--epochs'], {}, /^error: option '--epochs <count>' argument missing\n$/],
    [['stray'], {}, /^error: too many arguments/],
    [['--data', '/nowhere'], {}, /^error: \/nowhere: no data set found\. The folder must hold [^\n]*\n$/],
    [
      ['--checkpoint', '/dev/null'],
      {},
      /^error: --checkpoint \/dev\/null: cannot be written to \(EEXIST\): give another folder\n$/,
    ],
  ]
  it.each(refused)('refuses %j with %j in one line, with exit code 2', async (args, environment, text) => {
    for (const [name, value] of Object.entries({ KEEPSET_BACKEND: 'wasm', ...environment })) vi.stubEnv(name, value)
    expect(await runTrainCommand(args)).toBe(2)
    expect(stderr).toMatch(text)
    expect(stdout).toBe('')
  })

  it('takes false from the environment for false', async () => {
    vi.stubEnv('KEEPSET_RESUME', 'false')
    expect(await runTrainCommand(['--data', '/nowhere'])).toBe(2)
    expect(stderr).toMatch(/no data set found/)
  })
})
