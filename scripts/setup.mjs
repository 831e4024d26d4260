/** `npm run setup`: what the tests, the demo and the checks need before they can start. Plain Node, so that it runs in a fresh clone. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** Reads a JSON file, its path seen from the root. */
export const readJson = (path) => JSON.parse(readFileSync(`${root}${path}`, 'utf8'))

/** Runs a command in the repository's root with its output shown. Returns its exit code; 1 if it could not be started or was killed. */
export function run(command, args, env = {}) {
  const npm = command === 'npm' && process.platform === 'win32'
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    shell: npm,
    stdio: 'inherit',
  })
  if (error) console.error(`${command}: ${error.message}`)
  return status ?? 1
}

/** Runs a JavaScript file with this Node, as `run` does. */
export const runNode = (args, env) => run(process.execPath, args, env)

/** Ends the process with the code of a step that failed. */
function must(code) {
  if (code !== 0) process.exit(code)
}

const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)

function checkNode() {
  const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(readJson('package.json').engines.node).map(Number)
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return
  console.error(`Keepset needs Node ${major}.${minor} or newer; this is Node ${process.versions.node}.`)
  process.exit(1)
}

/** Vitest's bundler has binaries for fewer versions than Keepset runs on, and npm leaves them out elsewhere without a word. */
export function checkNodeOfTools() {
  checkNode()
  if (ownMajor !== 21 && (ownMajor !== 22 || ownMinor >= 12)) return
  console.error(`The tests need Node 20.19 of Node 20, or 22.12 or newer; this is Node ${process.versions.node}.`)
  process.exit(1)
}

/** Whether node_modules holds what package-lock.json asks for. npm keeps a list of what it installed: its hidden lock. */
function isInstalled() {
  const hiddenLock = 'node_modules/.package-lock.json'
  if (!existsSync(`${root}${hiddenLock}`)) return false
  const { packages: installed } = readJson(hiddenLock)
  return Object.entries(readJson('package-lock.json').packages).every(
    ([path, { version, optional }]) =>
      !path.startsWith('node_modules/') || (installed[path] ? installed[path].version === version : optional),
  )
}

/** Checks the Node version and installs what the lock file says, where that has not been done. */
export function install() {
  checkNode()
  if (isInstalled()) return
  console.log('Installing what package-lock.json pins (npm ci)')
  must(run('npm', ['ci', '--loglevel=error']))
}

/** Makes `npx keepset` run what was compiled: npm links the commands of workspaces only where their files are there already. */
function linkCommands() {
  const unlinked = []
  for (const folder of readJson('package.json').workspaces) {
    const { name, bin = {} } = readJson(`${folder}/package.json`)
    for (const [command, file] of Object.entries(bin)) {
      chmodSync(`${root}${folder}/${file}`, 0o755)
      if (!existsSync(`${root}node_modules/.bin/${command}`)) unlinked.push(name)
    }
  }
  if (unlinked.length > 0) must(run('npm', ['rebuild', ...unlinked]))
}

/** Installs, then compiles the workspaces and links their commands. */
export function setup() {
  install()
  must(runNode(['node_modules/typescript/bin/tsc', '-b']))
  linkCommands()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup()
