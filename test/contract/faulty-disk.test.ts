import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Survival } from '../support/disk-tree.js'
import { FaultyDisk } from '../support/faulty-disk.js'
import { seededRandom } from '../support/random.js'
import {
  contentsSurvive,
  everythingSurvives,
  lengthsSurvive,
  namesSurvive,
  nothingSurvives,
  someSurvives,
} from '../support/survivals.js'

/** The files of a disk, as texts. */
const textsOf = (disk: FaultyDisk) =>
  Object.fromEntries([...disk.files()].map(([path, bytes]) => [path, Buffer.from(bytes).toString('latin1')]))

/** A disk with a file of which a part is synced. */
async function halfSynced(): Promise<FaultyDisk> {
  const disk = new FaultyDisk()
  await disk.makeDirectory('/data/runs')
  for (const folder of ['/', '/data', '/data/runs']) await disk.syncDirectory(folder)
  const file = await disk.createFile('/data/runs/a')
  await disk.syncDirectory('/data/runs')
  await file.append([Buffer.from('safe, ')])
  await file.sync()
  await file.append([Buffer.from('not '), Buffer.from('safe')])
  return disk
}

describe('FaultyDisk', () => {
  it.each<[string, Survival, string]>([
    ['nothing', nothingSurvives, 'safe, '],
    ['names', namesSurvive, 'safe, '],
    ['lengths', lengthsSurvive, `safe, ${'\0'.repeat(8)}`],
    ['contents', contentsSurvive, 'safe, not safe'],
    ['everything', everythingSurvives, 'safe, not safe'],
  ])('loses what was appended and not synced where %s survives', async (_, survival, text) => {
    const disk = await halfSynced()
    expect(textsOf(disk)).toEqual({ '/data/runs/a': 'safe, not safe' })
    expect(textsOf(disk.afterPowerLoss(survival))).toEqual({ '/data/runs/a': text })
  })

  it.each<[string, Survival, Record<string, string>]>([
    ['nothing', nothingSurvives, { '/old': 'old', '/moved': 'moved' }],
    ['names', namesSurvive, { '/new': '', '/there': 'moved' }],
    ['contents', contentsSurvive, { '/old': 'old', '/moved': 'moved' }],
    ['everything', everythingSurvives, { '/new': 'new', '/there': 'moved' }],
  ])('loses names that were not synced where %s survives', async (_, survival, files) => {
    const disk = FaultyDisk.of(new Map(['old', 'moved'].map((name) => [`/${name}`, Buffer.from(name)])))
    await (await disk.createFile('/new')).append([Buffer.from('new')])
    await disk.rename('/moved', '/there')
    await disk.remove('/old')
    expect(textsOf(disk)).toEqual({ '/new': 'new', '/there': 'moved' })
    expect(textsOf(disk.afterPowerLoss(survival))).toEqual(files)
  })

  it('keeps apart a file and its name', async () => {
    const disk = new FaultyDisk()
    const file = await disk.createFile('/a')
    await file.append([Buffer.from('synced')])
    await file.sync()
    expect(textsOf(disk.afterPowerLoss(nothingSurvives))).toEqual({})
    expect(textsOf(disk.afterPowerLoss(namesSurvive))).toEqual({ '/a': 'synced' })
  })

  it('keeps what is synced, also in a folder that was moved or is removed', async () => {
    const disk = await halfSynced()
    await disk.rename('/data/runs', '/data/moved')
    await disk.syncDirectory('/data')
    expect(textsOf(disk.afterPowerLoss(nothingSurvives))).toEqual({ '/data/moved/a': 'safe, ' })
    const next = disk.afterPowerLoss(nothingSurvives)
    await next.remove('/data/moved')
    expect(textsOf(next)).toEqual({})
    expect(textsOf(next.afterPowerLoss(nothingSurvives))).toEqual({ '/data/moved/a': 'safe, ' })
  })

  it('keeps what was there before a cut until the cut is synced', async () => {
    const disk = FaultyDisk.of(new Map([['/a', Buffer.from('whole file')]]))
    const file = await disk.openFile('/a')
    await file.truncate(5)
    expect(textsOf(disk)).toEqual({ '/a': 'whole' })
    expect(textsOf(disk.afterPowerLoss(nothingSurvives))).toEqual({ '/a': 'whole file' })
    const again = FaultyDisk.of(disk.files())
    const cut = await again.openFile('/a')
    await cut.truncate(2)
    await cut.sync()
    expect(textsOf(again.afterPowerLoss(nothingSurvives))).toEqual({ '/a': 'wh' })
  })

  it('may keep any of it, but all that was synced', () =>
    fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat(40), async (seed, length) => {
        const disk = await halfSynced()
        const file = await disk.openFile('/data/runs/a')
        await file.append([Buffer.alloc(length, 'x')])
        const { '/data/runs/a': text } = textsOf(disk.afterPowerLoss(someSurvives(seededRandom(seed))))
        expect(text?.slice(0, 6)).toBe('safe, ')
        expect(text?.length).toBeLessThanOrEqual(14 + length)
      }),
    ))

  it('does in the end keep whole, cut, torn and lost files, of one disk', async () => {
    const disk = await halfSynced()
    const kinds = new Set<string>()
    for (let seed = 0; seed < 200; seed++) {
      const { '/data/runs/a': text = '' } = textsOf(disk.afterPowerLoss(someSurvives(seededRandom(seed))))
      const whole = 'safe, not safe'
      kinds.add(text === whole ? 'whole' : text === 'safe, ' ? 'lost' : whole.startsWith(text) ? 'cut' : 'torn')
    }
    expect([...kinds].sort()).toEqual(['cut', 'lost', 'torn', 'whole'])
  })

  it('fails the step that it is told to, and may have written a part', async () => {
    const disk = new FaultyDisk()
    const file = await disk.createFile('/a')
    disk.fault = ({ operation }) => (operation === 'append' ? { code: 'ENOSPC', written: 3 } : undefined)
    await expect(file.append([Buffer.from('ab'), Buffer.from('cd')])).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(textsOf(disk)).toEqual({ '/a': 'abc' })
    disk.fault = ({ operation }) => (operation === 'sync' ? { code: 'EIO' } : undefined)
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
    expect(textsOf(disk.afterPowerLoss(namesSurvive))).toEqual({ '/a': '' })
  })

  it.each([
    ['append', 'ab'],
    ['sync', 'ab'],
  ])('does nothing more after an end at the %s', async (operation, text) => {
    const disk = new FaultyDisk({ fault: (step) => (step.operation === operation ? 'end' : undefined) })
    const file = await disk.createFile('/a')
    const ended: string[] = []
    const write = async () => {
      await file.append([Buffer.from('ab')])
      ended.push('append')
      await file.sync()
      ended.push('sync')
    }
    await Promise.race([write(), disk.end])
    expect(ended).toEqual(operation === 'append' ? [] : ['append'])
    expect(textsOf(disk.afterPowerLoss(everythingSurvives))).toEqual({ '/a': text })
    expect(textsOf(disk.afterPowerLoss(namesSurvive))).toEqual({ '/a': '' })
  })

  it('shows the next process what was not synced, and loses it still', async () => {
    const disk = await halfSynced()
    const next = disk.afterProcess()
    expect(textsOf(next)).toEqual({ '/data/runs/a': 'safe, not safe' })
    expect(textsOf(next.afterPowerLoss(nothingSurvives))).toEqual({ '/data/runs/a': 'safe, ' })
  })

  it('answers as Node does', async () => {
    const disk = FaultyDisk.of(new Map([['/folder/a', Buffer.from('a')]]))
    await expect(disk.openFile('/folder/b')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.openFile('/folder')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(disk.createFile('/folder/a')).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(disk.createFile('/nowhere/a')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.list('/nowhere')).rejects.toMatchObject({ code: 'ENOENT' })
    await disk.makeDirectory('/other')
    await expect(disk.rename('/other', '/folder')).rejects.toMatchObject({ code: 'ENOTEMPTY' })
    await disk.remove('/nothing')
    await disk.rename('/folder', '/other')
    expect(await disk.list('/')).toEqual(['other'])
    const file = await disk.openFile('/other/a')
    expect([await file.size(), (await file.read(0, 9)).length, (await file.read(1, 9)).length]).toEqual([1, 1, 0])
  })
})
