import { existsSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import type { Profiler } from 'node:inspector'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ServiceProcess } from '../support/service-process.js'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** A sampler from its sources, so that a profile tells which file the time went to. */
export class ProfiledProcess {
  readonly service: ServiceProcess
  readonly #file: string

  private constructor(service: ServiceProcess, file: string) {
    this.service = service
    this.#file = file
  }

  /** `folder` is its own; `store`: as ServiceProcess has it. */
  static async start(folder: string, store?: string): Promise<ProfiledProcess> {
    await mkdir(folder)
    const file = join(folder, 'profile.json')
    const options = ['--import', 'tsx', '--import', path('profiled.ts')]
    const env = { KEEPSET_PROFILE: file, TSX_TSCONFIG_PATH: path('../../test/support/tsconfig.sources.json') }
    const program = path('../../services/sampler/src/main.ts')
    return new ProfiledProcess(await ServiceProcess.start(program, store, { options, env }), file)
  }

  /** The profile of the sampler's main thread while it does `work`. */
  async during(work: () => Promise<unknown>): Promise<Profiler.Profile> {
    await Promise.all([rm(this.#file, { force: true }), rm(`${this.#file}.begun`, { force: true })])
    await this.#signal(`${this.#file}.begun`)
    await work()
    await this.#signal(this.#file)
    return JSON.parse(await readFile(this.#file, 'utf8')) as Profiler.Profile
  }

  /** Sends the signal, and waits for the file that answers it. */
  async #signal(answer: string): Promise<void> {
    this.service.signal('SIGUSR2')
    while (!existsSync(answer)) {
      if (this.service.hasEnded) throw new Error('the sampler that is profiled has ended')
      await delay(5)
    }
  }
}
