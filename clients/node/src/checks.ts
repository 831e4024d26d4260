import { InvalidArgumentError } from './errors.js'

const maxU32 = 2 ** 32 - 1
const maxU64 = 2n ** 64n - 1n

/** The error of a value that this library refuses before it is sent. `field` is its path in the proto. */
export function invalid(field: string, description: string): InvalidArgumentError {
  return new InvalidArgumentError('INVALID_ARGUMENT', `${field}: ${description}`, {
    reason: 'INVALID_ARGUMENT',
    fieldViolations: [{ field, description }],
  })
}

/** An integer in a range that fits the wire's u32, or {@link InvalidArgumentError}. */
export function checkU32(field: string, value: number, min = 0, max = maxU32): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw invalid(field, `must be an integer from ${min} to ${max}, got ${value}`)
}

/** A time in milliseconds that may be Infinity, or {@link InvalidArgumentError}. */
export function checkTime(option: string, value: number): number {
  if (typeof value === 'number' && value > 0) return value
  throw invalid(option, `must be a positive number of milliseconds (Infinity: without end), got ${value}`)
}

/** A number that fits the wire's u64, or {@link InvalidArgumentError}. */
export function checkU64(field: string, value: bigint | number): bigint {
  if (typeof value === 'bigint' ? value >= 0n && value <= maxU64 : Number.isSafeInteger(value) && value >= 0) {
    return BigInt(value)
  }
  throw invalid(
    field,
    `must be an integer from 0 to ${maxU64} (a bigint above ${Number.MAX_SAFE_INTEGER}), got ${value}`,
  )
}

/** What a table has for a key, or {@link InvalidArgumentError}. */
export function oneOf<K extends string, V>(field: string, table: Readonly<Record<K, V>>, key: K): V {
  if (Object.hasOwn(table, key)) return table[key]
  throw invalid(field, `must be one of '${Object.keys(table).join("', '")}', got '${key}'`)
}
