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
  let sampler: ChildProcess | undefined

  beforeAll(async () => {
    folder = await assemble('sampler')
  }, 180_000)
  afterAll(async () => {
    sampler?.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  it('has no package of development, no TensorFlow and no client', async () => {
    const { packages } = await contentsOf(folder)
    expect(packages.length).toBeGreaterThan(0)
    expect(packages.filter(([, { dev }]) => dev)).toEqual([])
    const names = packages.map(([path]) => path).filter((path) => path.startsWith('node_modules/'))
    expect(names).toEqual(expect.arrayContaining(['node_modules/@keepset/proto', 'node_modules/@keepset/sampler']))
    expect(
      names.filter((name) => /tensorflow|typescript|vitest|biome|@keepset\/(client|trainer|demo)/.test(name)),
    ).toEqual([])
  })

  it('has compiled code and no sources or tests', async () => {
    const paths = (await contentsOf(folder)).paths.filter(ours)
    expect(paths).toContain(join('services', 'sampler', 'dist', 'main.js'))
    expect(paths.filter((path) => /(^|\/)src(\/|$)|\.test\.|(?<!\.d)\.ts$/.test(path))).toEqual([])
  })

  it('has the licence in each package', () => expectLicences(folder, ['proto', 'services/sampler']))

  it('starts as the image does, answers, is healthy, and ends at SIGTERM', async () => {
    const { command, environment } = imageOf('sampler', folder)
    const [node = '', ...args] = [...command('ENTRYPOINT'), ...command('CMD')]
    const env = { ...environment, KEEPSET_LISTEN: '127.0.0.1:0', KEEPSET_HTTP: '127.0.0.1:0' }
    sampler = spawn(node, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
    const exit = once(sampler, 'exit')

    let listening: { grpc: string; http: string } | undefined
    const lines = createInterface({ input: sampler.stdout ?? process.stdin })
    for await (const line of lines) {
      const entry = JSON.parse(line)
      if (entry.msg === 'listening') listening = entry
      if (listening) break
    }
    if (!listening) throw new Error('the sampler ended before it listened')

    const Health = makeClientConstructor(healthService, 'Health')
    const health = new Health(listening.grpc, credentials.createInsecure())
    const check = health.check?.bind(health) as (
      request: object,
      done: (error: unknown, reply: unknown) => void,
    ) => void
    expect(await promisify(check)({ service: 'keepset.v1.SamplerService' })).toMatchObject({ status: 'SERVING' })
    health.close()

    const client = connect(listening.grpc)
    const run = await client.createRun({ runId: 'image', sampleCount: 10, policy: random(), pruneRate: 0.5 })
    expect(run).toMatchObject({ runId: 'image' })
    client.close()

    const [checker = '', ...checkArgs] = command('HEALTHCHECK')
    await expect(execute(checker, checkArgs, { env: { KEEPSET_HTTP: listening.http } })).resolves.toBeDefined()
    await expect(execute(checker, checkArgs, { env: { KEEPSET_HTTP: '127.0.0.1:1' } })).rejects.toMatchObject({
      code: 1,
    })

    sampler.kill('SIGTERM')
    expect(await exit).toEqual([0, null])
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
