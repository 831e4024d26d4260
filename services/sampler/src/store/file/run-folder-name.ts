/** Ends a name that the store gives to a folder only for a time: no run's folder has it. */
const PASSING = '~'

/** Names of devices on Windows, whatever follows a dot after them. */
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/

/**
 * The folder of a run. File systems may fold case, so it has no upper-case letters; which of the letters of the run_id are, is said before a `+`, as hexadecimal digits
 * of four letters each, the first letter in the lowest bit. It has neither a dot at its end (it is `=`) nor the name of a device, which Windows does not bear.
 */
export function folderOfRun(runId: string): string {
  const lower = runId.toLowerCase()
  const name = lower.replace(/\.$/, '=')
  const isPlain = lower === runId && !DEVICE.test(name)
  return isPlain ? name : `${caseDigits(runId, lower)}+${name}`
}

/** The run whose folder has this name, undefined if none has. */
export function runOfFolder(folder: string): string | undefined {
  const [, digits = '', name] = /^(?:([0-9a-f]*)\+)?([a-z0-9][a-z0-9._-]*=?)$/.exec(folder) ?? []
  if (name === undefined) return undefined
  const lower = name.replace(/=$/, '.')
  const isUpper = (at: number) => ((Number.parseInt(digits[at >> 2] ?? '0', 16) >> (at & 3)) & 1) === 1
  const runId = [...lower].map((letter, at) => (isUpper(at) ? letter.toUpperCase() : letter)).join('')
  return folderOfRun(runId) === folder ? runId : undefined
}

/** The folder in which a record is made before it gets its name. */
export const makingFolder = (folder: string) => `${folder}${PASSING}new`

/** The folder of a record that was removed, until it is gone. */
export const removedFolder = (folder: string) => `${folder}${PASSING}removed`

export const isPassing = (folder: string) => folder.includes(PASSING)

function caseDigits(runId: string, lower: string): string {
  let digits = ''
  for (let at = 0; at < runId.length; at += 4) {
    let digit = 0
    for (let i = 0; i < 4; i++) if (runId[at + i] !== lower[at + i]) digit |= 1 << i
    digits += digit.toString(16)
  }
  return digits.replace(/0+$/, '')
}
