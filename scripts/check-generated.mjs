/** Generates anew into a temporary folder what is generated and compares: the contract's code and the kernels: `npm run generated`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { findPython } from './python.mjs'
import { root, runNode } from './setup.mjs'

/** The files under a folder but Python's caches: path → text. */
function readTree(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  const own = paths.filter((path) => !path.endsWith('.pyc'))
  return new Map(own.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]))
}

/** Compares a committed folder with what was generated into another. `isGenerated` tells a path from those of files made by hand. */
function compare(folder, scratch, isGenerated = () => true) {
  const committed = new Map([...readTree(join(root, folder))].filter(([path]) => isGenerated(path)))
  const generated = readTree(scratch)
  if (generated.size === 0) throw new Error(`nothing was generated for ${folder}`)
  const paths = [...new Set([...committed.keys(), ...generated.keys()])]
  const different = paths.filter((path) => committed.get(path) !== generated.get(path))
  if (different.length === 0) return
  console.error(`Not what its sources give: ${different.map((path) => `${folder}/${path}`).join(', ')}`)
  console.error('Run `npm run generate` and commit the result.')
  process.exitCode = 1
}

/** Runs a generator, or ends the process with its code. */
function generate(...args) {
  const code = runNode(args)
  if (code !== 0) process.exit(code)
}

const scratch = mkdtempSync(join(tmpdir(), 'keepset-generated-'))
process.once('exit', () => rmSync(scratch, { recursive: true }))

generate('node_modules/@bufbuild/buf/bin/buf', 'generate', '--output', scratch)
compare('proto/gen', join(scratch, 'proto/gen'))

generate('scripts/generate-kernels.mjs', join(scratch, 'kernels'))
compare('services/sampler/src/kernels', join(scratch, 'kernels'), (path) => path === 'kernels-wasm.ts')

const { problem } = findPython()
if (problem && process.env.CI !== 'true') console.log(`${problem} Its generated code is not compared.`)
else {
  generate('scripts/generate-python.mjs', join(scratch, 'python'))
  compare('clients/python/src/keepset/_proto', join(scratch, 'python'))
}
