import { readFileSync } from 'node:fs'
import type { Backend } from '../backends/backend.js'
import type { Environment } from './metrics.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** The backend and the versions that a training runs on. */
export function describeEnvironment(backend: Backend): Environment {
  return {
    backend: backend.name,
    backendReason: backend.reason,
    versions: { trainer: version, node: process.versions.node, tensorflow: backend.tf.version_core },
  }
}
