import { BACKEND_NAMES, type Backend, type BackendName, type LoadedBackend } from './backend.js'
import { loadNative } from './load-native.js'
import { loadCpu, loadWasm } from './load-portable.js'

export type BackendChoice = 'auto' | BackendName

/** No backend could be loaded. The message says why, and what to do about it. */
export class BackendUnavailableError extends Error {
  override readonly name = 'BackendUnavailableError'
}

interface Loader {
  readonly load: () => LoadedBackend | Promise<LoadedBackend>
  /** What makes it loadable. */
  readonly remedy: string
}

const LOADERS: Record<BackendName, Loader> = {
  'tfjs-node-gpu': {
    load: () => loadNative('@tensorflow/tfjs-node-gpu'),
    remedy: 'To set it up: npm run setup:tensorflow -- gpu',
  },
  'tfjs-node': {
    load: () => loadNative('@tensorflow/tfjs-node'),
    remedy: 'To set it up: npm run setup:tensorflow',
  },
  wasm: { load: loadWasm, remedy: 'To install what is missing: npm ci' },
  cpu: { load: loadCpu, remedy: 'To install what is missing: npm ci' },
}

/**
 * Loads a backend and makes it the active one of this process: a backend that was loaded before must no longer be used.
 *
 * @param choice `auto` takes the first that loads of tfjs-node-gpu, tfjs-node, wasm and cpu.
 * @throws BackendUnavailableError if the chosen one does not load.
 */
export async function loadBackend(choice: BackendChoice): Promise<Backend> {
  const candidates = choice === 'auto' ? BACKEND_NAMES : [choice]
  const failures: string[] = []
  for (const name of candidates) {
    try {
      const { tf, ops, detail } = await LOADERS[name].load()
      const reason = choice === 'auto' ? [...failures, `${name}: ${detail}`].join('; ') : `asked for; ${detail}`
      return { name, tf, ops, reason }
    } catch (error) {
      failures.push(`${name}: ${describeFailure(error)}`)
    }
  }
  const { remedy } = LOADERS[choice === 'auto' ? 'cpu' : choice]
  throw new BackendUnavailableError(`No backend could be loaded (${failures.join('; ')}). ${remedy}`)
}

/** The first line of the error's text; a package that is not there is told in fewer words. */
function describeFailure(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1)
  return line.replace(/^Cannot find (?:module|package) '(.+?)'.*/, '$1 is not installed')
}
