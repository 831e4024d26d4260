import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { credentials, makeClientConstructor } from '@grpc/grpc-js'
import { connect, random } from '@keepset/client'
import { service as healthService } from 'grpc-health-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandOf, environmentOf, readStages, root } from './image.js'

const execute = promisify(execFile)

/** Does what the image's build does: installs a workspace for production into an empty folder. */
async function assemble(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `keepset-${name}-`))
  await execute(process.execPath, [join(root, 'scripts/assemble.mjs'), name, folder])
  return folder
}

/** What the image runs, with its environment, outside of a container: /app is the folder and `node` is this Node. */
function imageOf(name: string, folder: string) {
  const stage = readStages().find((stage) => stage.name === name)
  if (!stage) throw new Error(`no stage ${name}`)
  const command = (keyword: 'ENTRYPOINT' | 'CMD' | 'HEALTHCHECK') =>
    commandOf(stage, keyword).map((word) => (word === 'node' ? process.execPath : word.replace(/^\/app(?=\/)/, folder)))
  return { command, environment: environmentOf(stage) }
}

/** Paths of everything in the folder, and the packages that npm installed into it: name → entry of the lock. */
async function contentsOf(folder: string) {
  const paths = await readdir(folder, { recursive: true })
  const lock = JSON.parse(await readFile(join(folder, 'node_modules/.package-lock.json'), 'utf8'))
  return { paths, packages: Object.entries<{ dev?: boolean }>(lock.packages) }
}

const ours = (path: string) => !path.includes('node_modules')

/** Checks that each of these packages of ours brings the licence. */
async function expectLicences(folder: string, packages: string[]) {
  const licence = await readFile(join(root, 'LICENSE'), 'utf8')
  for (const path of packages) expect(await readFile(join(folder, path, 'LICENSE'), 'utf8'), path).toBe(licence)
}

describe('sampler', () => {
  let folder = ''
  let data = ''
  let sampler: ChildProcess | undefined

  beforeAll(async () => {
    folder = await assemble('sampler')
    data = await mkdtemp(join(tmpdir(), 'keepset-data-'))
  }, 180_000)
  afterAll(async () => {
    sampler?.kill('SIGKILL')
    for (const made of [folder, data]) await rm(made, { recursive: true, force: true })
  })

  /** Starts the image's command, on free ports and with a folder of ours for its volume. */
  async function startSampler() {
    const { command, environment } = imageOf('sampler', folder)
    const [node = '', ...args] = [...command('ENTRYPOINT'), ...command('CMD')]
    const env = {
      ...environment,
      KEEPSET_LISTEN: '127.0.0.1:0',
      KEEPSET_HTTP: '127.0.0.1:0',
      KEEPSET_DATA_DIR: data,
    }
    const child = spawn(node, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
    sampler = child
    for await (const line of createInterface({ input: child.stdout })) {
      const entry = JSON.parse(line)
      if (entry.msg === 'listening') return { child, grpc: String(entry.grpc), http: String(entry.http) }
    }
    throw new Error('the sampler ended before it listened')
  }

  async function endOf(child: ChildProcess, signal: NodeJS.Signals) {
    const exit = once(child, 'exit')
    child.kill(signal)
    return exit
  }

  it('has no package of development, no TensorFlow and no trainer', async () => {
    const { packages } = await contentsOf(folder)
    expect(packages.length).toBeGreaterThan(0)
    expect(packages.filter(([, { dev }]) => dev)).toEqual([])
    const names = packages.map(([path]) => path).filter((path) => path.startsWith('node_modules/'))
    expect(names).toEqual(expect.arrayContaining(['node_modules/@keepset/proto', 'node_modules/@keepset/sampler']))
    expect(names.filter((name) => /tensorflow|typescript|vitest|biome|@keepset\/(trainer|demo)/.test(name))).toEqual([])
  })

  it('has compiled code and no sources or tests', async () => {
    const paths = (await contentsOf(folder)).paths.filter(ours)
    expect(paths).toContain(join('services', 'sampler', 'dist', 'main.js'))
    expect(paths.filter((path) => /(^|\/)src(\/|$)|\.test\.|(?<!\.d)\.ts$/.test(path))).toEqual([])
  })

  it('has the licence in each package', () => expectLicences(folder, ['proto', 'clients/node', 'services/sampler']))

  it.each(['x64', 'arm64'])('has the lock of its data folder ready for Linux on %s', async (processor) => {
    const prebuilt = join('node_modules', 'fs-native-extensions', 'prebuilds', `linux-${processor}`)
    expect((await contentsOf(folder)).paths).toContain(join(prebuilt, 'fs-native-extensions.node'))
  })

  it('starts as the image does, answers, is healthy, ends at SIGTERM, and has its runs again after it', async () => {
    const first = await startSampler()

    const Health = makeClientConstructor(healthService, 'Health')
    const health = new Health(first.grpc, credentials.createInsecure())
    const check = health.check?.bind(health) as (
      request: object,
      done: (error: unknown, reply: unknown) => void,
    ) => void
    expect(await promisify(check)({ service: 'keepset.v1.SamplerService' })).toMatchObject({ status: 'SERVING' })
    health.close()

    const client = connect(first.grpc)
    const run = await client.createRun({ runId: 'image', sampleCount: 100_000, policy: random(), pruneRate: 0.5 })
    const { digest } = await run.planEpoch(0)
    client.close()

    const [checker = '', ...checkArgs] = imageOf('sampler', folder).command('HEALTHCHECK')
    await expect(execute(checker, checkArgs, { env: { KEEPSET_HTTP: first.http } })).resolves.toBeDefined()
    await expect(execute(checker, checkArgs, { env: { KEEPSET_HTTP: '127.0.0.1:1' } })).rejects.toMatchObject({
      code: 1,
    })
    expect(await endOf(first.child, 'SIGTERM')).toEqual([0, null])

    const second = await startSampler()
    const again = connect(second.grpc)
    expect((await (await again.openRun('image')).planEpoch(0)).digest).toBe(digest)
    again.close()
    expect(await endOf(second.child, 'SIGTERM')).toEqual([0, null])
  })
})

describe('trainer', () => {
  let folder = ''

  beforeAll(async () => {
    folder = await assemble('trainer')
  }, 180_000)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('has the bundled images, the client and no package of development', async () => {
    const { paths, packages } = await contentsOf(folder)
    expect(paths.filter(ours).filter((path) => path.endsWith('.gz'))).toHaveLength(4)
    expect(packages.map(([path]) => path)).toContain('node_modules/@keepset/client')
    expect(packages.filter(([path, { dev }]) => dev || path.endsWith('@keepset/sampler'))).toEqual([])
  })

  it('has the licence in each package', () => expectLicences(folder, ['proto', 'clients/node', 'clients/trainer']))

  it('starts as the image does', async () => {
    const { command, environment } = imageOf('trainer', folder)
    const [node = '', ...args] = command('ENTRYPOINT')
    const { stdout } = await execute(node, [...args, '--help'], { cwd: folder, env: environment })
    expect(stdout).toContain('--backend')
  })
})
