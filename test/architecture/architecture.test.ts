import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import extractOptions from 'dependency-cruiser/config-utl/extract-depcruise-options'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const options = await extractOptions(join(root, '.dependency-cruiser.mjs'))
const rules = (options.ruleSet?.forbidden ?? []).map((rule) => rule.name)

/** One import that each rule must report: [rule, importing file, import]. A type import counts like any other. */
const violations = [
  ['core-imports-only-core', 'services/sampler/src/core/a.ts', "import { readFile } from 'node:fs/promises'"],
  ['core-imports-only-core', 'services/sampler/src/core/b.ts', "import type { Run } from '../runs/run.js'"],
  ['core-imports-only-core', 'services/sampler/src/core/c.ts', "import { pino } from 'pino'"],
  ['kernels-import-only-core', 'services/sampler/src/kernels/a.ts', "import '../runs/run.js'"],
  ['runs-import-only-core', 'services/sampler/src/runs/a.ts', "import '../store/memory/memory-store.js'"],
  ['runs-import-only-core', 'services/sampler/src/runs/b.ts', "import type { RunSpec } from '@keepset/proto'"],
  ['runs-import-only-core', 'services/sampler/src/runs/c.ts', "import { readFileSync } from 'node:fs'"],
  ['runs-import-only-core', 'services/sampler/src/runs/d.ts', "import { pino } from 'pino'"],
  ['store-knows-only-ports-and-events', 'services/sampler/src/store/a.ts', "import '../runs/run.js'"],
  ['store-speaks-no-wire', 'services/sampler/src/store/b.ts', "import { RunSpec } from '@keepset/proto'"],
  ['store-speaks-no-wire', 'services/sampler/src/store/c.ts', "import { status } from '@grpc/grpc-js'"],
  ['planning-makes-plans-for-runs', 'services/sampler/src/planning/a.ts', "import '../store/memory/memory-store.js'"],
  ['planning-makes-plans-for-runs', 'services/sampler/src/planning/b.ts', "import { status } from '@grpc/grpc-js'"],
  ['grpc-imports-runs-and-core', 'services/sampler/src/grpc/a.ts', "import '../store/memory/memory-store.js'"],
  ['grpc-imports-runs-and-core', 'services/sampler/src/grpc/b.ts', "import '../web/server.js'"],
  ['web-imports-runs-and-core', 'services/sampler/src/web/a.ts', "import '../grpc/server.js'"],
  ['config-stands-alone', 'services/sampler/src/config/a.ts', "import '../grpc/server.js'"],
  ['command-is-a-client', 'services/sampler/src/command/a.ts', "import '../runs/run.js'"],
  ['command-is-a-client', 'services/sampler/src/command/b.ts', "import { RunSpec } from '@keepset/proto'"],
  ['command-is-for-main', 'services/sampler/src/bootstrap2.ts', "import './command/runs-command.js'"],
  ['bootstrap-is-for-main', 'services/sampler/src/grpc/c.ts', "import '../bootstrap.js'"],
  ['nothing-imports-main', 'services/sampler/src/bootstrap.ts', "import './main.js'"],
  ['clients-know-no-service', 'clients/trainer/src/a.ts', "import { serve } from '@keepset/sampler'"],
  ['clients-know-no-service', 'clients/node/src/a.ts', "import '../../../services/sampler/src/bootstrap.js'"],
  ['node-client-is-small', 'clients/node/src/b.ts', "import { pino } from 'pino'"],
  ['trainer-talks-through-the-client', 'clients/trainer/src/b.ts', "import { RunSpec } from '@keepset/proto'"],
  ['trainer-talks-through-the-client', 'clients/trainer/src/c.ts', "import type { Client } from '@grpc/grpc-js'"],
  ['contract-knows-nobody', 'proto/a.ts', "import '../clients/node/src/index.js'"],
  ['workspaces-meet-by-name', 'examples/demo/src/a.ts', "import '../../../clients/node/src/index.js'"],
  ['imports-are-declared', 'services/sampler/src/web/b.ts', "import { it } from 'vitest'"],
  ['imports-are-declared', 'clients/trainer/src/d.ts', "import { fastify } from 'fastify'"],
] as const

/** What the imports above lead to. */
const targets = [
  'services/sampler/src/runs/run.ts',
  'services/sampler/src/store/memory/memory-store.ts',
  'services/sampler/src/grpc/server.ts',
  'services/sampler/src/web/server.ts',
  'services/sampler/src/command/runs-command.ts',
  'services/sampler/src/main.ts',
  'services/sampler/dist/bootstrap.js',
  'clients/node/src/index.ts',
  'clients/node/dist/index.js',
  'proto/dist/index.js',
]
const workspaces = { sampler: 'services/sampler', client: 'clients/node', trainer: 'clients/trainer', proto: 'proto' }
const packages = ['@grpc/grpc-js', 'fastify', 'pino', 'vitest']

async function cruiseTree(baseDir: string): Promise<ICruiseResult> {
  const { output } = await cruise(['proto', 'services', 'clients', 'examples'], { ...options, baseDir })
  return output as ICruiseResult
}

const ownModules = ({ modules }: ICruiseResult) =>
  modules.filter(({ source }) => /^(services|clients|examples)\/[^/]+\/src\//.test(source))

it('every import of the repository follows the rules', async () => {
  const result = await cruiseTree(root)
  expect(ownModules(result).length).toBeGreaterThan(0)
  expect(ownModules(result).flatMap(({ dependencies }) => dependencies).length).toBeGreaterThan(0)
  expect(result.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual([])
})

describe('canary: a tree that breaks every rule', () => {
  let tree = ''
  let found: string[] = []

  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await writeFile(join(tree, path), `${text}\n`)
  }

  beforeAll(async () => {
    tree = await mkdtemp(join(tmpdir(), 'keepset-architecture-'))
    for (const path of targets) await write(path, 'export {}')
    for (const [, path, text] of violations) await write(path, text)
    for (const name of packages) {
      await write(`node_modules/${name}/package.json`, JSON.stringify({ name, main: 'index.js' }))
      await write(`node_modules/${name}/index.js`, '')
    }
    await mkdir(join(tree, 'node_modules/@keepset'))
    for (const [name, folder] of Object.entries(workspaces)) {
      await mkdir(join(tree, folder), { recursive: true })
      await copyFile(join(root, folder, 'package.json'), join(tree, folder, 'package.json'))
      await symlink(join(tree, folder), join(tree, 'node_modules/@keepset', name))
    }
    const { summary } = await cruiseTree(tree)
    found = summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`)
  })
  afterAll(() => rm(tree, { recursive: true, force: true }))

  it.each(violations)('%s is reported for %s: %s', (rule, path) => {
    expect(found).toContain(`${rule}: ${path}`)
  })

  it('has a violation of every rule', () => {
    expect(rules.length).toBeGreaterThan(0)
    expect([...new Set(violations.map(([rule]) => rule))].toSorted()).toEqual(rules.toSorted())
  })
})
