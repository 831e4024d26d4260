/** Checks format and lint of all Python: `npm run lint:python`. With --write it mends what it can. */
import process from 'node:process'
import { runNode } from './setup.mjs'

const write = process.argv.includes('--write')
const ruff = (...args) => runNode(['scripts/python.mjs', '-m', 'ruff', ...args])
const where = [
  '--config',
  'clients/python/pyproject.toml',
  'clients/python',
  'benches',
  'examples',
  'experiments',
  'scripts',
]
const lint = ruff('check', ...(write ? ['--fix'] : []), ...where)
const format = ruff('format', ...(write ? [] : ['--diff']), ...where)
process.exitCode = lint || format
