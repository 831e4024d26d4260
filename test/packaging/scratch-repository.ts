import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './image.js'

/** How a script ended. */
export interface ScriptEnd {
  readonly code: number
  /** Of stdout, the empty ones left out. */
  readonly lines: readonly string[]
  readonly stderr: string
}

/**
 * A repository of nothing but our scripts, in which they find all installed and built, and no tools of the system:
 * what they do there does not change this repository.
 */
export class ScratchRepository {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async make(): Promise<ScratchRepository> {
    const repository = new ScratchRepository(await mkdtemp(join(tmpdir(), 'keepset-scratch-')))
    await cp(join(root, 'scripts'), join(repository.folder, 'scripts'), { recursive: true })
    await repository.write('package.json', JSON.stringify({ engines: { node: '>=20.19' }, workspaces: [] }))
    for (const lock of ['package-lock.json', 'node_modules/.package-lock.json']) {
      await repository.write(lock, JSON.stringify({ packages: {} }))
    }
    await repository.write('node_modules/typescript/bin/tsc', '')
    await symlink(join(root, 'node_modules/vitest'), join(repository.folder, 'node_modules/vitest'), 'junction')
    await mkdir(join(repository.folder, 'bin'))
    return repository
  }

  async write(path: string, text: string, mode = 0o644): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), { recursive: true })
    await writeFile(join(this.folder, path), text, { mode })
  }

  /** Has our Python environment in it, and no sampler to bundle. Nothing of it may be out of date. */
  async linkPython(): Promise<void> {
    const part = join(this.folder, 'clients/python')
    for (const path of ['pyproject.toml', 'requirements']) {
      await cp(join(root, 'clients/python', path), join(part, path), { recursive: true })
    }
    await symlink(join(root, 'clients/python/.venv'), join(part, '.venv'), 'junction')
    await this.write('scripts/bundle-service.mjs', '')
  }

  /** Runs a script. The only commands that it finds are those in the folder `bin`. */
  run(script: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<ScriptEnd> {
    const options = { cwd: this.folder, env: { ...env, PATH: join(this.folder, 'bin') } }
    return new Promise((resolve) => {
      execFile(process.execPath, [`scripts/${script}`, ...args], options, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, lines: stdout.split('\n').filter(Boolean), stderr })
      })
    })
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }
}
