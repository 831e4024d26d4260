/** A file with a snapshot of a run. Its name has what the rule on obsolete snapshots needs, so that one damaged file hides no other. */
export interface SnapshotFile {
  readonly name: string
  /** Rises with every snapshot of the run. */
  readonly serial: number
  readonly epochStart: number | undefined
}

/** A file with events of a run, one after the other. */
export interface SegmentFile {
  readonly name: string
  /** Events of the run before it. */
  readonly first: number
}

/** The files of a run. */
export interface RecordFiles {
  /** By serial. */
  readonly snapshots: readonly SnapshotFile[]
  /** By position. */
  readonly segments: readonly SegmentFile[]
  /** Names of snapshots that were not written to their end. */
  readonly unfinished: readonly string[]
}

export function snapshotFile(serial: number, epochStart: number | undefined): SnapshotFile {
  const epoch = epochStart === undefined ? '' : `.epoch-${epochStart}`
  return { name: `${String(serial).padStart(8, '0')}${epoch}.snapshot`, serial, epochStart }
}

export function segmentFile(first: number): SegmentFile {
  return { name: `${String(first).padStart(12, '0')}.journal`, first }
}

/** The name of a snapshot while a lease writes it. */
export const unfinishedName = ({ name }: SnapshotFile, fence: number) => `${name}.${fence}.tmp`

/** Sorts the names in a run's folder; those that no sampler gives are left out. */
export function sortFiles(names: readonly string[]): RecordFiles {
  const snapshots: SnapshotFile[] = []
  const segments: SegmentFile[] = []
  for (const name of names) {
    const [, serial, epoch] = /^(\d{8,})(?:\.epoch-(\d+))?\.snapshot$/.exec(name) ?? []
    if (serial !== undefined) {
      snapshots.push({ name, serial: Number(serial), epochStart: epoch === undefined ? undefined : Number(epoch) })
    }
    const [, first] = /^(\d{12,})\.journal$/.exec(name) ?? []
    if (first !== undefined) segments.push({ name, first: Number(first) })
  }
  snapshots.sort((a, b) => a.serial - b.serial)
  segments.sort((a, b) => a.first - b.first)
  return { snapshots, segments, unfinished: names.filter((name) => name.endsWith('.tmp')) }
}
