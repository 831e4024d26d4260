import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { folderOfRun, isPassing, makingFolder, removedFolder, runOfFolder } from './run-folder-name.js'

const FIRST = 'ABCXYZabcxyz0189'
const runIds = fc
  .tuple(fc.constantFrom(...FIRST), fc.string({ unit: fc.constantFrom(...FIRST, '.', '_', '-'), maxLength: 127 }))
  .map(([first, rest]) => first + rest)
/** What a file system that folds case takes for the same. */
const folded = (name: string) => name.toLowerCase()

describe('the folder of a run', () => {
  it.each([
    ['demo', 'demo'],
    ['resnet50_seed-3.v2', 'resnet50_seed-3.v2'],
    ['Demo', '1+demo'],
    ['DEMO-7', 'f+demo-7'],
    ['aBcDeFgHI', 'aa1+abcdefghi'],
    ['ends.', 'ends='],
    ['Ends.', '1+ends='],
    ['con', '+con'],
    ['NUL.txt', '7+nul.txt'],
    ['com1.', 'com1='],
    ['com1.a', '+com1.a'],
    ['console', 'console'],
  ])('of %s is %s', (runId, folder) => {
    expect(folderOfRun(runId)).toBe(folder)
    expect(runOfFolder(folder)).toBe(runId)
  })

  it('tells the run again, is its own in any case, and a name that every file system takes', () => {
    fc.assert(
      fc.property(runIds, runIds, (runId, other) => {
        const folder = folderOfRun(runId)
        expect(runOfFolder(folder)).toBe(runId)
        for (const twin of [other, runId.toLowerCase(), runId.toUpperCase(), `${runId[0]}${other}`]) {
          if (twin !== runId) expect(folded(folderOfRun(twin))).not.toBe(folded(folder))
        }
        expect(folder).toMatch(/^[a-z0-9+._=-]*[a-z0-9_=-]$/)
        expect(folder).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/)
        expect(removedFolder(folder).length).toBeLessThan(200)
      }),
    )
  })

  it('is of no run with another name than the store gives', () => {
    for (const name of [
      'Demo',
      '1+Demo',
      '01+demo',
      '10+demo',
      '+demo',
      'g+demo',
      '3+a',
      'ends.',
      '.git',
      '',
      '+',
      'a/b',
      'a b',
      'lost+found',
      'con',
    ]) {
      expect(runOfFolder(name), name).toBe(undefined)
    }
  })

  it('has other names for a time, which are of no run', () => {
    for (const runId of ['demo', 'Demo', 'a.']) {
      for (const name of [makingFolder(folderOfRun(runId)), removedFolder(folderOfRun(runId))]) {
        expect(isPassing(name)).toBe(true)
        expect(runOfFolder(name)).toBe(undefined)
      }
      expect(isPassing(folderOfRun(runId))).toBe(false)
    }
  })
})
