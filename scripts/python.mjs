/**
 * The Python of clients/python: `node scripts/python.mjs ARGUMENTS` runs the one of the environment that `npm run setup:python` made,
 * and what is exported finds one of the system to make it with.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { root, run } from './setup.mjs'

/** The interpreter inside of an environment. */
export const pythonOf = (environment) =>
  join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')

/** The folder of the environment, and its interpreter, which is there once it was set up. */
export const environment = join(root, 'clients/python/.venv')
export const python = pythonOf(environment)

/** The one that CI has comes first. */
const COMMANDS = ['python3.11', 'python3', 'python3.12', 'python3.13', 'python3.10', 'python']

export const PIP_INSTALL = ['-m', 'pip', 'install', '-qq', '--disable-pip-version-check', '--no-input']

/**
 * Asks a command which Python 3 it is. Returns { executable, minor } of one that Keepset can use, { problem } of another,
 * undefined where it is none.
 */
export function inspect(command) {
  const program = 'import sys; print(*sys.version_info[:2], sys.executable); import ensurepip'
  const { status, stdout } = spawnSync(command, ['-c', program], { encoding: 'utf8' })
  const [, minor, executable] = /^3 (\d+) (.+)$/m.exec(stdout ?? '') ?? []
  if (!executable) return undefined
  if (Number(minor) < 10) return { problem: `${executable} is Python 3.${minor}` }
  if (status !== 0) return { problem: `${executable} cannot make environments (Debian: apt-get install python3-venv)` }
  return { executable, minor: Number(minor) }
}

/**
 * Finds a Python 3.10 or newer: the one that KEEPSET_PYTHON names, or else one on PATH, 3.11 or newer if there is one.
 * Returns { executable, minor }, or { problem } with a text that says what is missing.
 */
export function findPython() {
  const named = process.env.KEEPSET_PYTHON
  const found = (named ? [named] : COMMANDS).map(inspect).filter(Boolean)
  const usable = found.filter(({ executable }) => executable)
  const best = usable.find(({ minor }) => minor >= 11) ?? usable[0]
  if (best) return best
  const problems = [...new Set(found.map(({ problem }) => problem))].join('; ')
  const none = named ? `KEEPSET_PYTHON=${named} is none` : 'there is none on PATH; KEEPSET_PYTHON can name one'
  return { problem: `Keepset's Python part needs Python 3.10 or newer with venv: ${problems || none}.` }
}

/** Makes an environment, or brings one up to date, with what a file of clients/python/requirements pins. Returns an exit code. */
export function makeEnvironment(executable, folder, requirements, ...options) {
  const file = join(root, 'clients/python/requirements', requirements)
  return (
    run(executable, ['-m', 'venv', ...options, folder]) ||
    run(pythonOf(folder), [...PIP_INSTALL, '--only-binary=:all:', '--requirement', file])
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (existsSync(python)) process.exitCode = run(python, process.argv.slice(2))
  else {
    console.error(`${python} is missing: run \`npm run setup:python\`.`)
    process.exitCode = 3
  }
}
