import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { nodeDisk } from './node-disk.js'
import { removeTemporaryFolders, temporaryFolder } from './testing/temporary-folder.js'

afterAll(removeTemporaryFolders)

const bytes = (text: string) => new TextEncoder().encode(text)
const textAt = (path: string) => readFile(path, 'utf8')

describe('a file', () => {
  it('takes pieces at its end, gives any part back, and can be cut', async () => {
    const path = join(await temporaryFolder(), 'file')
    const file = await nodeDisk.createFile(path)
    await file.append([bytes('one '), bytes(''), bytes('two ')])
    await file.append([])
    await file.append([bytes('three')])
    await file.sync()
    expect(await file.size()).toBe(13)
    expect(Buffer.from(await file.read(4, 3)).toString()).toBe('two')
    expect(Buffer.from(await file.read(8, 100)).toString()).toBe('three')
    expect(await file.read(13, 5)).toHaveLength(0)
    await file.truncate(4)
    await file.append([bytes('more')])
    await file.close()
    expect(await textAt(path)).toBe('one more')
  })

  it('takes more pieces than the system takes at once', async () => {
    const path = join(await temporaryFolder(), 'file')
    const file = await nodeDisk.createFile(path)
    const pieces = Array.from({ length: 5000 }, (_, i) => bytes(`${i},`))
    await file.append(pieces)
    await file.close()
    expect(await textAt(path)).toBe(Buffer.concat(pieces).toString())
  })

  it('takes pieces that lie beside each other in memory, or apart, in their order', async () => {
    const path = join(await temporaryFolder(), 'file')
    const memory = Buffer.from('abcdefghij')
    const part = (start: number, end: number) => memory.subarray(start, end)
    const groups = [
      [part(0, 2), part(2, 3), part(3, 3), part(3, 5), part(6, 8), part(8, 8), part(8, 10)],
      [part(4, 6), part(2, 4), part(4, 5), part(4, 5)],
      [part(5, 5), part(5, 6), bytes('x'), part(6, 7), part(0, 0), part(7, 8)],
      [part(5, 5)],
    ]
    const file = await nodeDisk.createFile(path)
    for (const pieces of groups) await file.append(pieces)
    await file.close()
    expect(await textAt(path)).toBe(Buffer.concat(groups.flat()).toString())
  })

  it('is opened as it is, and written on at its end', async () => {
    const path = join(await temporaryFolder(), 'file')
    await writeFile(path, 'old ')
    const file = await nodeDisk.openFile(path)
    expect(Buffer.from(await file.read(0, 3)).toString()).toBe('old')
    await file.append([bytes('new')])
    await file.close()
    expect(await textAt(path)).toBe('old new')
  })

  it('is not made where there is one, nor opened where there is none', async () => {
    const path = join(await temporaryFolder(), 'file')
    await expect(nodeDisk.openFile(path)).rejects.toMatchObject({ code: 'ENOENT' })
    await writeFile(path, 'old')
    await expect(nodeDisk.createFile(path)).rejects.toMatchObject({ code: 'EEXIST' })
    expect(await textAt(path)).toBe('old')
  })

  it('gives bytes that typed arrays can lie on', async () => {
    const path = join(await temporaryFolder(), 'file')
    await writeFile(path, Buffer.alloc(100))
    const file = await nodeDisk.openFile(path)
    expect((await file.read(7, 40)).byteOffset % 8).toBe(0)
    await file.close()
  })
})

describe('a folder', () => {
  it('is made with those above it, listed, synced, renamed and removed with all in it', async () => {
    const root = await temporaryFolder()
    const inner = join(root, 'a', 'b')
    await nodeDisk.makeDirectory(inner)
    await nodeDisk.makeDirectory(inner)
    await writeFile(join(inner, 'file'), 'text')
    expect(await nodeDisk.list(inner)).toEqual(['file'])
    await nodeDisk.syncDirectory(inner)
    await nodeDisk.rename(join(root, 'a'), join(root, 'c'))
    expect(await nodeDisk.list(root)).toEqual(['c'])
    await nodeDisk.remove(join(root, 'c'))
    await nodeDisk.remove(join(root, 'c'))
    expect(await nodeDisk.list(root)).toEqual([])
    await expect(nodeDisk.list(join(root, 'c'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(nodeDisk.syncDirectory(join(root, 'c'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('takes the place of no folder that has something in it; a file takes that of another', async () => {
    const root = await temporaryFolder()
    for (const name of ['x', 'y']) {
      await nodeDisk.makeDirectory(join(root, name))
      await writeFile(join(root, name, 'file'), name)
    }
    await expect(nodeDisk.rename(join(root, 'x'), join(root, 'y'))).rejects.toSatisfy(({ code }) =>
      ['ENOTEMPTY', 'EEXIST'].includes(code),
    )
    await nodeDisk.rename(join(root, 'x', 'file'), join(root, 'y', 'file'))
    expect(await textAt(join(root, 'y', 'file'))).toBe('x')
    await expect(stat(join(root, 'x', 'file'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
