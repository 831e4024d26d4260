const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const relative = new Intl.RelativeTimeFormat('en')
const list = new Intl.ListFormat('en')

/** A whole number with thousands separators. */
export function formatCount(value: number): string {
  return grouped.format(value)
}

/** A share of 0 to 1 as per cent. */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

const byteUnits = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const

/** A number of bytes in decimal units: 12.3 MB. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < byteUnits.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${byteUnits[unit]}`
}

const timeUnits = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const

/** How long ago a time was, in its largest whole unit: 3 minutes ago. A time ahead of this machine's clock was just now. */
export function formatAge(time: Date, now: number): string {
  const seconds = Math.max(0, Math.floor((now - time.getTime()) / 1000))
  for (const [unit, length] of timeUnits) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit)
  }
  return 'just now'
}

/** Words as English puts them one after another: 1, 2, and 3. */
export function formatList(words: readonly (string | number)[]): string {
  return list.format(words.map(String))
}

/** Consecutive epochs: epoch 3; epochs 3 and 4; epochs 3 to 7. */
export function formatEpochs(first: number, last: number): string {
  if (first === last) return `epoch ${first}`
  return `epochs ${first} ${last === first + 1 ? 'and' : 'to'} ${last}`
}
