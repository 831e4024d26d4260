/** The files of a data directory, by their paths. */
export type Files = ReadonlyMap<string, Uint8Array>

/** One way in which files are no longer what was written. */
export interface Damaging {
  readonly name: string
  /** The files that are touched. */
  readonly paths: readonly string[]
  readonly files: Files
}

/** A case in which one file has other bytes. */
function changed(files: Files, path: string, name: string, bytes: Uint8Array): Damaging {
  return { name: `${name} of ${path}`, paths: [path], files: new Map(files).set(path, bytes) }
}

/** Each byte with one bit, or all, turned over, or zero. */
export function* flipped(files: Files, path: string): Generator<Damaging> {
  const whole = files.get(path) as Uint8Array
  const patterns: [string, (byte: number) => number][] = [
    ['lowest bit', (byte) => byte ^ 0x01],
    ['highest bit', (byte) => byte ^ 0x80],
    ['all bits', (byte) => byte ^ 0xff],
    ['zero', () => 0],
    ['ones', () => 0xff],
  ]
  for (let at = 0; at < whole.length; at++) {
    for (const [name, pattern] of patterns) {
      const bytes = whole.slice()
      bytes[at] = pattern(whole[at] as number)
      if (bytes[at] !== whole[at]) yield changed(files, path, `${name} at byte ${at}`, bytes)
    }
  }
}

/** The file cut at each byte. */
export function* truncated(files: Files, path: string): Generator<Damaging> {
  const whole = files.get(path) as Uint8Array
  for (let length = 0; length < whole.length; length++) {
    yield changed(files, path, `the first ${length} bytes`, whole.slice(0, length))
  }
}

/** Blocks that were never written, or twice, or at the wrong place; bytes that are missing, and bytes too many. */
export function* misplaced(files: Files, path: string): Generator<Damaging> {
  const whole = files.get(path) as Uint8Array
  const splice = (at: number, count: number, ...added: number[]) =>
    Uint8Array.from([...whole].toSpliced(at, count, ...added))
  for (const size of [4, 16, 64, 512]) {
    for (let at = 0; at < whole.length; at += size) {
      const block = whole.slice(at, at + size)
      const zeroed = whole.slice()
      zeroed.fill(0, at, at + size)
      if (block.some((byte) => byte !== 0))
        yield changed(files, path, `zeros from byte ${at} to ${at + block.length}`, zeroed)
      yield changed(files, path, `bytes ${at} to ${at + size} missing`, splice(at, size))
      yield changed(files, path, `bytes ${at} to ${at + size} twice`, splice(at, 0, ...block))
      yield changed(files, path, `bytes ${at} to ${at + size} again at the end`, splice(whole.length, 0, ...block))
      for (const other of [0, at - size, at + size]) {
        if (other < 0 || other === at || other >= whole.length) continue
        const copied = whole.slice()
        copied.set(block.subarray(0, whole.length - other), other)
        if (Buffer.compare(copied, whole) !== 0)
          yield changed(files, path, `bytes ${at} to ${at + size} at byte ${other}`, copied)
      }
    }
  }
  for (const [name, byte] of [
    ['zeros', 0],
    ['ones', 0xff],
  ] as const) {
    for (const count of [1, 3, 4, 64]) {
      yield changed(
        files,
        path,
        `${count} ${name} after the end`,
        splice(whole.length, 0, ...Array<number>(count).fill(byte)),
      )
    }
  }
}

/** Each file missing, under another name, in the place of another, and a second time. */
export function* mixedUp(
  files: Files,
  paths: readonly string[],
  otherNames: (path: string) => string[],
): Generator<Damaging> {
  for (const path of paths) {
    const bytes = files.get(path) as Uint8Array
    const without = new Map(files)
    without.delete(path)
    yield { name: `${path} missing`, paths: [path], files: without }
    for (const name of otherNames(path)) {
      if (files.has(name)) continue
      yield { name: `${path} under the name ${name}`, paths: [path, name], files: new Map(without).set(name, bytes) }
      yield { name: `${path} a second time as ${name}`, paths: [name], files: new Map(files).set(name, bytes) }
    }
    for (const other of paths) {
      const others = files.get(other) as Uint8Array
      if (path === other || Buffer.compare(bytes, others) === 0) continue
      yield { name: `${path} in the place of ${other}`, paths: [other], files: new Map(files).set(other, bytes) }
      if (path < other) {
        const swapped = new Map(files).set(other, bytes).set(path, others)
        yield { name: `${path} and ${other} swapped`, paths: [path, other], files: swapped }
      }
    }
  }
}

/** Each of the writes that began at `offsets` missing, done twice, done again at the end, and done after the next one. */
export function* rewritten(files: Files, path: string, offsets: readonly number[]): Generator<Damaging> {
  const whole = files.get(path) as Uint8Array
  const parts = offsets.map((offset, place) => whole.slice(offset, offsets[place + 1]))
  for (const [place, part] of parts.entries()) {
    const name = `write ${place}`
    const next = parts[place + 1]
    yield changed(files, path, `${name} missing`, Buffer.concat(parts.toSpliced(place, 1)))
    yield changed(files, path, `${name} done twice`, Buffer.concat(parts.toSpliced(place, 0, part)))
    yield changed(files, path, `${name} done again at the end`, Buffer.concat([...parts, part]))
    if (next)
      yield changed(files, path, `${name} done after the next`, Buffer.concat(parts.toSpliced(place, 2, next, part)))
  }
}
