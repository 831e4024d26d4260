import { expect, it } from 'vitest'
import { segmentFile, snapshotFile, sortFiles, unfinishedName } from './record-files.js'

it('files have names that sort as they were written', () => {
  expect(snapshotFile(7, undefined).name).toBe('00000007.snapshot')
  expect(snapshotFile(8, 12).name).toBe('00000008.epoch-12.snapshot')
  expect(segmentFile(123).name).toBe('000000000123.journal')
  expect(unfinishedName(snapshotFile(8, 12), 5)).toBe('00000008.epoch-12.snapshot.5.tmp')
})

it('names tell what is in the files, also where they have outgrown their zeros', () => {
  const snapshots = [snapshotFile(2, 0), snapshotFile(10, undefined), snapshotFile(123_456_789, 4_294_967_295)]
  const segments = [segmentFile(0), segmentFile(999), segmentFile(1_234_567_890_123)]
  const unfinished = unfinishedName(snapshotFile(9, 1), 3)
  const names = [...snapshots, ...segments].map(({ name }) => name).reverse()
  const sorted = sortFiles([...names, unfinished, 'notes.txt', '7.snapshot', '00000001.epoch-.snapshot', 'x.journal'])
  expect(sorted).toEqual({ snapshots, segments, unfinished: [unfinished] })
})
