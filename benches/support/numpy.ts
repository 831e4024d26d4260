import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { LineChild } from './line-child.js'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** The interpreter of the tests' environment. */
export const python = path('../../clients/python/.venv/bin/python')

/** NumPy on one thread, as it comes: without settings of its library that this machine may have. It times itself. */
export function startNumpy(): LineChild {
  if (!existsSync(python)) throw new Error(`${python} is missing: npm run setup:python makes it`)
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...env } = process.env
  const single = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' }
  return new LineChild(python, [path('numpy_reference.py')], { ...env, ...single })
}
