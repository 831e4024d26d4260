/** The value of an option as it is given on the command line; `unset` for none. */
export function inWords(value: unknown): string {
  if (value === undefined) return 'unset'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return String(value)
  const settings = Object.entries(value).flatMap(([name, setting]) =>
    (Array.isArray(setting) ? setting : [setting]).map((item) => `${name}=${item}`),
  )
  return settings.length > 0 ? settings.join(',') : 'unset'
}
