import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openDataDirectory } from './data-directory.js'
import { GuardedDisk } from './guarded-disk.js'
import { type DiskCall, ScriptedDisk, systemError } from './testing/scripted-disk.js'
import { removeTemporaryFolders, temporaryFolder } from './testing/temporary-folder.js'

afterAll(removeTemporaryFolders)

/** A lock that counts who has it. */
function countingLock() {
  const lock = async () => {
    counting.held++
    return async () => {
      counting.held--
    }
  }
  const counting = { held: 0, lock }
  return counting
}

const openWith = (disk: ScriptedDisk, directory: string, lock = countingLock().lock) =>
  openDataDirectory(new GuardedDisk(disk, () => {}), directory, lock)

const open = (directory: string, lock = countingLock().lock) => openWith(new ScriptedDisk(), directory, lock)

const refusal = (directory: string) =>
  open(directory).then(
    () => 'opened',
    ({ name, reason, message }) => ({ name, reason, message }),
  )

describe('a data directory', () => {
  it('is made with those above it, and opened again', async () => {
    const directory = join(await temporaryFolder(), 'a', 'b')
    const lock = countingLock()
    for (let i = 0; i < 2; i++) {
      const { runsFolder, unlock } = await open(directory, lock.lock)
      expect(runsFolder).toBe(join(directory, 'runs'))
      expect(await readdir(directory)).toEqual(['runs', 'version'])
      expect(await readFile(join(directory, 'version'), 'utf8')).toBe('keepset data 1\n')
      expect(lock.held).toBe(1)
      await unlock()
    }
  })

  it('is durable, with the names above it, before it says that it is one', async () => {
    const root = await temporaryFolder()
    const directory = join(root, 'a', 'b')
    const disk = new ScriptedDisk()
    await openWith(disk, directory)
    const steps = disk.calls.map(({ operation, path }) => `${operation} ${path}`)
    const named = steps.indexOf(`rename ${join(directory, 'version.tmp')}`)
    for (const above of ['/', root, join(root, 'a')]) {
      expect(steps.slice(0, named)).toContain(`syncDirectory ${above}`)
    }
    expect(steps.slice(0, named)).toContain(`sync ${join(directory, 'version.tmp')}`)
    const runs = steps.indexOf(`makeDirectory ${join(directory, 'runs')}`)
    expect(steps.slice(named, runs)).toContain(`syncDirectory ${directory}`)
    expect(steps.slice(runs)).toContain(`syncDirectory ${directory}`)
  })

  it('may be the root of a file system, and have what was left of a start that failed', async () => {
    const directory = await temporaryFolder()
    for (const name of ['lost+found', '.Trash-0']) await mkdir(join(directory, name))
    await writeFile(join(directory, 'lock'), '17\n')
    await writeFile(join(directory, 'version.tmp'), 'keeps')
    await open(directory)
    expect(await readFile(join(directory, 'version'), 'utf8')).toBe('keepset data 1\n')
    expect(await readdir(directory)).not.toContain('version.tmp')
  })

  it('may have what a client put there that starts a sampler for itself', async () => {
    const directory = await temporaryFolder()
    for (const name of ['embedded.lock', 'embedded.log']) await writeFile(join(directory, name), '')
    await open(directory)
    expect(await readdir(directory)).toEqual(expect.arrayContaining(['embedded.lock', 'embedded.log', 'version']))
  })

  it('is made although the folder above it may not be read', async () => {
    const root = await temporaryFolder()
    const disk = new ScriptedDisk()
    disk.before = ({ operation, path }) => {
      if (path === root && operation !== 'makeDirectory') throw systemError('EACCES')
    }
    await openWith(disk, join(root, 'data'))
    expect(await readdir(join(root, 'data'))).toEqual(['runs', 'version'])
  })
})

describe('a data directory is refused with a text that names it and the remedy', () => {
  it('where it is a file, or lies below one', async () => {
    const file = join(await temporaryFolder(), 'file')
    await writeFile(file, '')
    for (const path of [file, join(file, 'data')]) {
      const message = expect.stringMatching(
        /is no directory, or lies below something that is none: name another one \(.*ENOTDIR/,
      )
      expect(await refusal(path)).toEqual({ name: 'StoreError', reason: 'UNAVAILABLE', message })
      expect(await refusal(path)).toMatchObject({ message: expect.stringContaining(`--data-dir "${path}"`) })
    }
  })

  it('where it holds other things, and is left as it was', async () => {
    const directory = await temporaryFolder()
    for (const name of ['d.txt', 'b.txt', 'a.txt', 'c.txt']) await writeFile(join(directory, name), '')
    expect(await refusal(directory)).toEqual({
      name: 'StoreError',
      reason: 'UNAVAILABLE',
      message: `--data-dir "${directory}" holds other things than a sampler's data (a.txt, b.txt, c.txt): name an empty directory, or one that does not exist yet`,
    })
    expect(await readdir(directory)).toHaveLength(4)
  })

  it('where a newer version made it, and is left as it was', async () => {
    const directory = await temporaryFolder()
    await writeFile(join(directory, 'version'), 'keepset data 2\n')
    expect(await refusal(directory)).toEqual({
      name: 'StoreError',
      reason: 'DAMAGED',
      message: `--data-dir "${directory}" was made by a newer version of Keepset (data 2; this one knows 1): start that version, or name another directory`,
    })
    expect(await readdir(directory)).toEqual(['version'])
  })

  it.each(['', 'keepset data 1', 'keepset data one\n', `keepset data 1\n${'x'.repeat(100)}`, '{"version":1}'])(
    'where its version is %j',
    async (text) => {
      const directory = await temporaryFolder()
      await writeFile(join(directory, 'version'), text)
      const message = expect.stringMatching(
        /^--data-dir ".*": its file "version" is not that of a sampler's data directory: name another/,
      )
      expect(await refusal(directory)).toMatchObject({ reason: 'DAMAGED', message })
    },
  )

  it.each([
    ['EACCES', 'makeDirectory', 'cannot be written: let the user of the sampler write there, or name another one'],
    ['EROFS', 'createFile', 'cannot be written: let the user of the sampler write there, or name another one'],
    ['EPERM', 'rename', 'cannot be written: let the user of the sampler write there, or name another one'],
    ['ENOSPC', 'append', 'cannot be used: see what the reason is, or name another one'],
    ['EIO', 'syncDirectory', 'cannot be used: see what the reason is, or name another one'],
  ] as [string, DiskCall['operation'], string][])(
    'where the system answers %s to %s',
    async (code, operation, text) => {
      const directory = join(await temporaryFolder(), 'data')
      const disk = new ScriptedDisk()
      disk.before = (call) => {
        if (call.operation === operation) throw systemError(code)
      }
      const lock = countingLock()
      const error = await openWith(disk, directory, lock.lock).catch((error: Error) => error)
      expect(error).toMatchObject({ name: 'StoreError', reason: 'UNAVAILABLE', runId: '' })
      expect((error as Error).message).toMatch(new RegExp(`^--data-dir "${directory}" ${text} \\(cannot .*/.*${code}`))
      expect(lock.held).toBe(0)
    },
  )

  it('where the lock cannot be had, in the words of the lock, or of the system', async () => {
    const directory = await temporaryFolder()
    const inUse = open(directory, () => Promise.reject(new Error('in use')))
    await expect(inUse).rejects.toThrow('in use')
    const forbidden = open(directory, () => Promise.reject(systemError('EACCES')))
    await expect(forbidden).rejects.toThrow(/^--data-dir ".*" cannot be written: .*\(cannot lock it: EACCES/)
    expect(await readdir(directory)).toEqual([])
  })
})
