import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'

/** How a process ended. */
export interface Ending {
  readonly succeeded: boolean
  /** `exit code 1`, `SIGKILL`, or why it did not start. */
  readonly text: string
}

/** A process that ends with the demo at the latest. */
export interface Child {
  readonly process: ChildProcess
  /** Resolves when the process has ended, whoever ended it; never rejects. */
  readonly ended: Promise<Ending>
}

/** Starts a JavaScript file with this Node. */
export function startChild(args: readonly string[], stdio: StdioOptions): Child {
  const child = spawn(process.execPath, args, { stdio, env: childEnvironment(process.env) })
  const kill = () => child.kill()
  process.once('exit', kill)
  const ended = new Promise<Ending>((resolve) => {
    child.once('error', ({ message }) => resolve({ succeeded: false, text: message }))
    child.once('exit', (code, signal) => resolve({ succeeded: code === 0, text: signal ?? `exit code ${code}` }))
  })
  return { process: child, ended: ended.finally(() => process.off('exit', kill)) }
}

/**
 * The environment of the demo's processes: without the user's own settings of sampler and trainer, which would change all
 * arms and not be told.
 */
function childEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !name.toUpperCase().startsWith('KEEPSET_'))
  return Object.fromEntries(kept)
}
