import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it, onTestFinished } from 'vitest'
import { lockDirectory } from './directory-lock.js'
import { removeTemporaryFolders, temporaryFolder } from './testing/temporary-folder.js'

afterAll(removeTemporaryFolders)

const HOLD = fileURLToPath(new URL('testing/hold-directory.ts', import.meta.url))

/** Another process that tries to hold the directory, and what it says first. */
async function startHolder(directory: string): Promise<{ child: ChildProcess; says: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', HOLD, directory], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [text] = await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  return { child, says: String(text).trim() }
}

const refusal = (directory: string, pid: number | undefined) =>
  `--data-dir "${directory}" is in use by another sampler (process ${pid}): stop that one, or name another directory with --data-dir`

it('a directory that another process holds is refused until that one is killed', async () => {
  const directory = await temporaryFolder()
  const { child, says } = await startHolder(directory)
  expect(says).toBe('held')
  await expect(lockDirectory(directory)).rejects.toThrow(refusal(directory, child.pid))
  expect((await startHolder(directory)).says).toBe(refusal(directory, child.pid))
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  const unlock = await lockDirectory(directory)
  expect(await readFile(join(directory, 'lock'), 'utf8')).toBe(`${process.pid}\n`)
  expect((await startHolder(directory)).says).toBe(refusal(directory, process.pid))
  await unlock()
  expect((await startHolder(directory)).says).toBe('held')
})

it('a directory is refused to the process that holds it, as often as it asks, until it lets go', async () => {
  const directory = await temporaryFolder()
  const unlock = await lockDirectory(directory)
  for (let i = 0; i < 2; i++) await expect(lockDirectory(directory)).rejects.toThrow(refusal(directory, process.pid))
  await unlock()
  await (await lockDirectory(directory))()
})

it('what lies in the file of the lock does not matter', async () => {
  const directory = await temporaryFolder()
  await writeFile(join(directory, 'lock'), 'somebody was here, and it is a long story\n')
  const unlock = await lockDirectory(directory)
  expect(await readFile(join(directory, 'lock'), 'utf8')).toBe(`${process.pid}\n`)
  await writeFile(join(directory, 'lock'), '')
  await expect(lockDirectory(directory)).rejects.toThrow(`"${directory}" is in use by another sampler: stop`)
  await unlock()
})

it('a directory that is not there cannot be held', async () => {
  const directory = join(await temporaryFolder(), 'none')
  await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'ENOENT' })
})
