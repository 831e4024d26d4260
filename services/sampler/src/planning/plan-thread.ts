import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { PlanJob, PlanJobResult } from './plan-job.js'

/** The worker's file beside this one: compiled, or its source where sources are run, by tsx. */
function startWorker(): Worker {
  const compiled = new URL('plan-worker.js', import.meta.url)
  if (existsSync(fileURLToPath(compiled))) return new Worker(compiled)
  const [source, here] = ['plan-worker.ts', ''].map((path) => JSON.stringify(new URL(path, import.meta.url).href))
  return new Worker(`import('tsx/esm/api').then(({ tsImport }) => tsImport(${source}, ${here}))`, { eval: true })
}

/** A thread that makes plans. Does not keep the process alive by itself, but while it works. */
export class PlanThread {
  readonly #worker = startWorker()
  #settle: { resolve(result: PlanJobResult): void; reject(error: Error): void } | undefined
  #isEnded = false

  constructor() {
    this.#worker.unref()
    this.#worker.on('message', (result: PlanJobResult) => {
      this.#worker.unref()
      this.#settle?.resolve({ ...result, digest: Buffer.from(result.digest) })
      this.#settle = undefined
    })
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('messageerror', (error) => this.#fail(error))
    this.#worker.on('exit', (code) => this.#fail(new Error(`a planning thread ended with exit code ${code}`)))
  }

  /** Whether it takes no job any more. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Does a job. One at a time. Rejects where the thread ends before it is done. */
  run(job: PlanJob): Promise<PlanJobResult> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#worker.ref()
      this.#worker.postMessage(job)
    })
  }

  async end(): Promise<void> {
    this.#isEnded = true
    await this.#worker.terminate()
  }

  #fail(error: Error): void {
    this.#isEnded = true
    this.#settle?.reject(error)
    this.#settle = undefined
  }
}
