import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { credentials, makeClientConstructor, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { connect, random } from '@keepset/client'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { HealthClient } from '../support/health-client.js'
import { root } from './image.js'

const execute = promisify(execFile)
const script = join(root, 'scripts/bundle-service.mjs')

let scratch = ''
let bundle = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'keepset-bundle-'))
  bundle = await bundleInto('bundle')
}, 60_000)
afterAll(() => rm(scratch, { recursive: true, force: true }))

async function bundleInto(name: string): Promise<string> {
  const folder = join(scratch, name)
  await execute(process.execPath, [script, folder])
  return folder
}

/** The files of a folder: path → hash of what is in it. */
async function readTree(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort()
  const hashes = paths.map(async (path) => [
    relative(folder, path),
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  ])
  return Object.fromEntries(await Promise.all(hashes))
}

/** Runs the bundle as on a machine that has nothing of the repository. */
function keepset(...args: string[]) {
  return execute(process.execPath, [join(bundle, 'keepset.mjs'), ...args], { cwd: scratch, timeout: 15_000 })
}

/** Starts the bundle's sampler, and waits until it listens. */
async function serve(dataDir: string): Promise<{ grpc: string; http: string }> {
  const free = '127.0.0.1:0'
  const args = ['serve', '--listen', free, '--http', free, '--lifeline', free, '--data-dir', join(scratch, dataDir)]
  const child = spawn(process.execPath, [join(bundle, 'keepset.mjs'), ...args], {
    cwd: scratch,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  })
  for await (const line of createInterface(child.stdout)) {
    const entry = JSON.parse(line)
    if (entry.msg === 'listening') return entry
  }
  throw new Error('the sampler ended before it listened')
}

/** The names that server reflection lists. */
async function reflectedServices(address: string): Promise<string[]> {
  const proto = join(bundle, 'packages/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto')
  const service = loadSync(proto)['grpc.reflection.v1.ServerReflection'] as ServiceDefinition
  const client = new (makeClientConstructor(service, 'ServerReflection'))(address, credentials.createInsecure())
  onTestFinished(() => client.close())
  const call = client.ServerReflectionInfo?.()
  call.write({ listServices: '' })
  const [{ listServicesResponse }] = await once(call, 'data')
  call.end()
  return listServicesResponse.service.map(({ name }: { name: string }) => name)
}

test('tells the version of the package', async () => {
  expect((await keepset('--version')).stdout).toBe('0.1.0\n')
  expect(JSON.parse(await readFile(join(bundle, 'service.json'), 'utf8'))).toEqual({ version: '0.1.0', node: '20.19' })
})

test('serves health, HTTP and reflection, trains a run on disk and reads it with `runs`', async () => {
  const { grpc, http } = await serve('data')
  const health = new HealthClient(grpc)
  onTestFinished(() => health.close())
  expect(await health.check('keepset.v1.SamplerService')).toBe('SERVING')
  expect((await fetch(`http://${http}/readyz`)).status).toBe(200)
  expect(await reflectedServices(grpc)).toContain('keepset.v1.RunService')

  const client = connect(grpc)
  onTestFinished(() => client.close())
  // So many that the plan is made by a thread, whose program is a file of its own.
  const run = await client.createRun({ runId: 'demo', sampleCount: 100_000, policy: random(), pruneRate: 0.5 })
  expect((await run.planEpoch(0)).keptCount).toBe(100_000)
  const listed = await keepset('runs', 'list', '--address', grpc)
  expect(listed.stdout).toContain('demo')
  expect(await readdir(join(scratch, 'data'))).toContain('lock')
})

test('holds its data directory against a second sampler', async () => {
  await serve('held')
  await expect(serve('held')).rejects.toThrow('ended before it listened')
})

test('`train` says that the trainer is not part of it, and --help leaves it out', async () => {
  const { stdout } = await keepset('--help')
  expect(stdout).toMatch(/^ {2}runs /m)
  expect(stdout).not.toMatch(/^ {2}train /m)
  await expect(keepset('train')).rejects.toThrow('the trainer is not installed here')
})

test('the same sources give the same bytes, and an older bundle is replaced', async () => {
  const other = await bundleInto('other')
  await writeFile(join(other, 'left-over'), '')
  await bundleInto('other')
  expect(await readTree(other)).toEqual(await readTree(bundle))
})

test('brings the file lock for every platform, and the licences of all that is in it', async () => {
  const platforms = await readdir(join(bundle, 'packages/fs-native-extensions/prebuilds'))
  expect(platforms.sort()).toEqual(
    ['darwin', 'linux', 'win32'].flatMap((system) => [`${system}-arm64`, `${system}-x64`]),
  )
  const licences = await readFile(join(bundle, 'THIRD-PARTY-LICENSES.txt'), 'utf8')
  const { dependencies } = JSON.parse(await readFile(join(root, 'services/sampler/package.json'), 'utf8'))
  for (const name of Object.keys(dependencies).filter((name) => !name.startsWith('@keepset/'))) {
    expect(licences).toMatch(new RegExp(`^${name} [0-9]`, 'm'))
  }
  const granted =
    /permission is hereby granted|permission to use, copy|Apache License\s+Version 2\.0|Redistribution and use/i
  for (const part of licences.split(`\n${'-'.repeat(80)}\n\n`)) expect(part).toMatch(granted)
  expect(await readFile(join(bundle, 'LICENSE'), 'utf8')).toBe(await readFile(join(root, 'LICENSE'), 'utf8'))
})

test('does not empty a folder that holds something else', async () => {
  const folder = join(scratch, 'work')
  await mkdir(folder)
  await writeFile(join(folder, 'thesis.txt'), 'ten years')
  await expect(bundleInto('work')).rejects.toThrow('something else than a bundle')
  expect(await readFile(join(folder, 'thesis.txt'), 'utf8')).toBe('ten years')
})
