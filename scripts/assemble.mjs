/**
 * Puts what runs in production into an empty folder: `node scripts/assemble.mjs sampler|trainer FOLDER`.
 *
 * That is the workspace, the workspaces that it depends on, each with the files that it would publish and no others, and
 * the packages that they need, in the versions of package-lock.json. The images are made by it, and a test runs the result.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { readJson, root, setup } from './setup.mjs'

const npmOptions = { encoding: 'utf8', shell: process.platform === 'win32', stdio: ['ignore', 'pipe', 'inherit'] }

/** Runs npm in a folder and returns what it wrote to stdout. */
function npm(cwd, ...args) {
  const { status, stdout, error } = spawnSync('npm', args, { ...npmOptions, cwd })
  if (status !== 0) throw new Error(`npm ${args[0]} failed in ${cwd}: ${error?.message ?? `exit ${status}`}`)
  return stdout
}

/** A workspace and the workspaces that it needs: name → folder. */
function workspacesOf(name) {
  const folders = readJson('package.json').workspaces
  const all = new Map(folders.map((folder) => [readJson(`${folder}/package.json`).name, folder]))
  const needed = new Map()
  const visit = (name) => {
    if (!all.has(name) || needed.has(name)) return
    needed.set(name, all.get(name))
    Object.keys(readJson(`${all.get(name)}/package.json`).dependencies ?? {}).forEach(visit)
  }
  visit(name)
  return needed
}

function assemble(name, target) {
  const needed = workspacesOf(name)
  const selected = [...needed.keys()].map((name) => `--workspace=${name}`)
  const packed = JSON.parse(npm(root, 'pack', '--dry-run', '--json', ...selected))
  for (const { name, files } of Object.values(packed)) {
    for (const { path } of files) cpSync(join(root, needed.get(name), path), join(target, needed.get(name), path))
  }
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) cpSync(join(root, file), join(target, file))
  npm(target, 'ci', '--omit=dev', '--loglevel=error', ...selected)
}

const [name, folder, ...rest] = process.argv.slice(2)
if (!['sampler', 'trainer'].includes(name) || folder === undefined || rest.length > 0) {
  console.error('usage: node scripts/assemble.mjs sampler|trainer FOLDER')
  process.exit(2)
}
const target = resolve(folder)
if (existsSync(target) && readdirSync(target).length > 0) {
  console.error(`${target} is not empty`)
  process.exit(1)
}
setup()
mkdirSync(target, { recursive: true })
assemble(`@keepset/${name}`, target)
console.log(`${name} assembled in ${target}`)
