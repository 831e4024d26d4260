import { describe, expect, test } from 'vitest'
import { ConfigError, defaults, environmentVariable, readConfig, settings } from './config.js'

/** Values that a setting must not take; of each the text must name the flag, the variable and the value. */
const bad: Readonly<Record<string, readonly string[]>> = {
  listen: [
    '',
    'localhost',
    ':50051',
    '127.0.0.1:',
    '127.0.0.1:x',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '::1:80',
    'a b:1',
  ],
  http: ['', '8350', 'http://localhost:80', '127.0.0.1:99999'],
  lifeline: ['', 'on', 'Off', '50051', '127.0.0.1:65536'],
  store: ['', 'disk', 'Memory'],
  dataDir: [''],
  epochStarts: ['', '-1', '1001', '1.5', 'all'],
  maxMemoryBytes: ['', '0', '-1', '4GiB'],
  idleSeconds: ['', '0', '-1', 'never'],
  finishedHours: ['', '-1', 'never', '1000001'],
  maxRuns: ['', '0', '-1', '1.5', 'many', '1000001', 'NaN', 'Infinity'],
  maxSamples: ['', '0', '4294967296', 'x'],
  maxMessageBytes: ['', '0', '67108865', '1 MB'],
  drainSeconds: ['', '-1', '3601', 'soon'],
  keepaliveSeconds: ['', '0', '-1', '3601', 'soon'],
  logLevel: ['', 'verbose', 'INFO'],
}

describe.each(settings)('--$flag', (setting) => {
  const { name, flag, fallback } = setting

  test('has a default that is allowed, and stands in --help with it', () => {
    expect(String(readConfig({})[name])).toBe(fallback)
    expect(defaults[name]).toBe(fallback)
    expect(setting.description).not.toBe('')
  })

  test.each(bad[name] ?? [])('refuses %j', (value) => {
    const read = () => readConfig({ [name]: value })
    expect(read).toThrow(ConfigError)
    expect(read).toThrow(`--${flag} is ${JSON.stringify(value)}`)
    expect(read).toThrow(environmentVariable(setting))
  })
})

test('every setting has bad values above', () => {
  expect(Object.keys(bad).sort()).toEqual(settings.map(({ name }) => name).sort())
})

test('an environment variable is the flag in capitals', () => {
  expect(settings.map(environmentVariable)).toEqual([
    'KEEPSET_LISTEN',
    'KEEPSET_HTTP',
    'KEEPSET_LIFELINE',
    'KEEPSET_STORE',
    'KEEPSET_DATA_DIR',
    'KEEPSET_EPOCH_STARTS',
    'KEEPSET_MAX_RUNS',
    'KEEPSET_MAX_SAMPLES',
    'KEEPSET_MAX_MEMORY_BYTES',
    'KEEPSET_IDLE_SECONDS',
    'KEEPSET_FINISHED_HOURS',
    'KEEPSET_MAX_MESSAGE_BYTES',
    'KEEPSET_DRAIN_SECONDS',
    'KEEPSET_KEEPALIVE_SECONDS',
    'KEEPSET_LOG_LEVEL',
  ])
})

test.each(['127.0.0.1:0', 'localhost:65535', '0.0.0.0:50051', '[::1]:8350', 'sampler.example:1'])(
  'takes the address %s',
  (address) => {
    expect(readConfig({ listen: address, http: address })).toMatchObject({ listen: address, http: address })
  },
)

test('takes an address of the lifeline', () => {
  expect(readConfig({ lifeline: '[::1]:0' })).toMatchObject({ lifeline: '[::1]:0' })
})

test('reads numbers from text and takes numbers', () => {
  expect(readConfig({ maxRuns: '7', drainSeconds: '0.5' })).toMatchObject({ maxRuns: 7, drainSeconds: 0.5 })
  expect(readConfig({ maxRuns: 7, drainSeconds: 0 })).toMatchObject({ maxRuns: 7, drainSeconds: 0 })
})

test('says everything that is wrong at once, a line each', () => {
  const read = () => readConfig({ listen: 'x', maxRuns: '0', logLevel: 'loud' })
  expect(read).toThrow(/^--listen is "x".*\n--log-level is "loud".*\n--max-runs is "0".*$/)
})

test('is frozen', () => {
  expect(Object.isFrozen(readConfig({}))).toBe(true)
})
