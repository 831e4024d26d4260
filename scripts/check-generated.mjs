/** Generates proto/gen anew into a temporary folder and compares: `npm run generated`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { root, runNode } from './setup.mjs'

/** The files under a folder: path → text. */
function readTree(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]))
}

const scratch = mkdtempSync(join(tmpdir(), 'keepset-generated-'))
try {
  const code = runNode(['node_modules/@bufbuild/buf/bin/buf', 'generate', '--output', scratch])
  if (code !== 0) process.exit(code)
  const committed = readTree(join(root, 'proto/gen'))
  const generated = readTree(join(scratch, 'proto/gen'))
  if (generated.size === 0) throw new Error('buf generate wrote no file')
  const paths = [...new Set([...committed.keys(), ...generated.keys()])]
  const different = paths.filter((path) => committed.get(path) !== generated.get(path))
  if (different.length > 0) {
    console.error(`Not what the .proto files give: ${different.map((path) => `proto/gen/${path}`).join(', ')}`)
    console.error('Run `npm run generate` and commit the result.')
    process.exitCode = 1
  }
} finally {
  rmSync(scratch, { recursive: true })
}
