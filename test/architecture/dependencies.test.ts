import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readJson = (path: string) => JSON.parse(readFileSync(`${root}${path}`, 'utf8'))
const manifests = [readJson('package.json')]
for (const folder of manifests[0].workspaces) manifests.push(readJson(`${folder}/package.json`))

/** The sections of the page: the words of the heading → rows of its table as `name version`. */
const sections = new Map(
  readFileSync(`${root}docs/reference/dependencies.md`, 'utf8')
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const rows = [...section.matchAll(/^\| `([^`]+)` \| (\S+) \| \S/gm)].map(
        ([, name, version]) => `${name} ${version}`,
      )
      return [/`(.+)`/.exec(section.split('\n')[0] ?? '')?.[1] ?? section.split('\n')[0], rows]
    }),
)
const list = (dependencies: Record<string, string> = {}) =>
  Object.entries(dependencies)
    .filter(([name]) => !name.startsWith('@keepset/'))
    .map(([name, version]) => `${name} ${version}`)

/** The names in an array of pyproject.toml. */
const names = (array: string) => [...array.matchAll(/"([\w-]+)/g)].map(([, name = '']) => name)

/** What clients/python asks for itself, and what its tests and checks use besides, with the version that they use. */
function readPython() {
  const read = (path: string) => readFileSync(`${root}clients/python/${path}`, 'utf8')
  const own = (file: string) => read(`requirements/${file}`).split('# What these need')[0] ?? ''
  const pins = [...`${own('core.txt')}\n${own('test.txt')}`.matchAll(/^([\w-]+)==([\d.]+)(?!.*<)/gm)]
  const project = read('pyproject.toml')
  const dependencies = /^dependencies = (\[[^\]]*\])/m.exec(project)?.[1] ?? ''
  const extras = /^\[project\.optional-dependencies\]\n(([\w-]+ = .*\n)*)/m.exec(project)?.[1] ?? ''
  const asked = new Set([...names(dependencies), ...names(extras)])
  const rows = (isAsked: boolean) =>
    pins.filter(([, name = '']) => asked.has(name) === isAsked).map(([, name, version]) => `${name} ${version}`)
  return { asked, keepset: rows(true), tests: rows(false) }
}

describe('docs/reference/dependencies.md', () => {
  it('has every dependency of the Python package, the version that its tests use, and no other', () => {
    const { asked, keepset } = readPython()
    expect(asked.size).toBeGreaterThan(4)
    expect(keepset).toHaveLength(asked.size)
    expect(sections.get('keepset')?.toSorted()).toEqual(keepset.toSorted())
  })

  it('has all that the tests and checks of Python use besides', () => {
    const { tests } = readPython()
    expect(tests.length).toBeGreaterThan(0)
    expect(sections.get('clients/python/requirements')?.toSorted()).toEqual(tests.toSorted())
  })

  it.each(manifests)('has every dependency of $name, its version, and no other', (manifest) => {
    const { dependencies, devDependencies, peerDependencies, optionalDependencies } = manifest
    const all = [dependencies, devDependencies, peerDependencies, optionalDependencies].flatMap(list)
    expect(sections.get(manifest.name)?.toSorted()).toEqual(all.toSorted())
  })

  it('has every override', () => {
    expect(sections.get('Overrides')).toEqual(list(manifests[0].overrides))
  })

  it('gives exact versions', () => {
    for (const row of [...sections.values()].flat()) expect(row).toMatch(/ \d+\.\d+(\.\d+)?$/)
  })
})

describe('package-lock.json', () => {
  const lock = readJson('package-lock.json')
  const packages = Object.entries<Record<string, unknown>>(lock.packages).filter(([path]) =>
    path.includes('node_modules/'),
  )

  it('holds every package that a package.json or another package needs, in a version that fits', () => {
    expect(() =>
      execFileSync('npm', ['ls', '--all', '--package-lock-only'], { cwd: root, stdio: 'pipe' }),
    ).not.toThrow()
  })

  it('holds the packages of every platform', () => {
    for (const [path, { optionalDependencies = {} }] of packages) {
      const names = Object.keys(optionalDependencies as object)
      const missing = names.filter(
        (name) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`],
      )
      expect(missing, `${path}: run npm run lock`).toEqual([])
    }
  })

  it('names no registry', () => {
    expect(packages.filter(([, { link, resolved }]) => resolved && !link)).toEqual([])
  })

  it('has a hash of every package but those of other platforms', () => {
    const without = packages.filter(([, { link, integrity }]) => !link && !integrity)
    expect(without.filter(([, { optional, os }]) => !(optional && os))).toEqual([])
  })
})

describe('.npmrc', () => {
  it('installs on every Node that Keepset supports, though the tools name fewer', () => {
    expect(readFileSync(`${root}.npmrc`, 'utf8')).not.toMatch(/engine-strict/)
  })

  it('runs nothing that comes from the registry', () => {
    expect(readFileSync(`${root}.npmrc`, 'utf8')).toMatch(/^ignore-scripts=true$/m)
  })
})
