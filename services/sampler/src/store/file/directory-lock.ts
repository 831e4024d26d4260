import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock } from 'fs-native-extensions'

/**
 * Holds a directory for this process until the returned function is called or the process ends, however it ends: the lock is the kernel's, on the file `lock` in it.
 * What is written in the file, the process id, is for people. Rejects if the directory is held already, also by this process.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'lock')
  const descriptor = openSync(path, 'a+')
  try {
    if (!tryLock(descriptor)) throw new Error(inUse(directory, path))
    ftruncateSync(descriptor)
    writeSync(descriptor, `${process.pid}\n`)
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
  return async () => closeSync(descriptor)
}

function inUse(directory: string, path: string): string {
  return `--data-dir "${directory}" is in use by another sampler${holder(path)}: stop that one, or name another directory with --data-dir`
}

function holder(path: string): string {
  try {
    const pid = /^[0-9]+$/m.exec(readFileSync(path, 'utf8'))?.[0]
    return pid === undefined ? '' : ` (process ${pid})`
  } catch {
    // Windows does not let others read a locked file.
    return ''
  }
}
