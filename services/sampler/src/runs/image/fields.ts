import { ImageError } from './image-error.js'

const MAX_U32 = 0xffffffff

/** The fields of an object that was read from JSON, none of which can be trusted to be there or of its type. Every method throws an ImageError that names the field. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>

  private constructor(values: ReadonlyMap<string, unknown>) {
    this.#values = values
  }

  static of(name: string, value: unknown): Fields {
    if (typeof value !== 'object' || value === null) throw refused(name, value, 'an object')
    return new Fields(new Map(Object.entries(value)))
  }

  object(name: string): Fields {
    return Fields.of(name, this.#values.get(name))
  }

  optionalObject(name: string): Fields | undefined {
    return this.#values.get(name) === undefined ? undefined : this.object(name)
  }

  list(name: string): readonly unknown[] {
    const value = this.#values.get(name)
    if (Array.isArray(value)) return value
    throw refused(name, value, 'a list')
  }

  /** Whole numbers, at most so many. */
  counts(name: string, maxLength: number): readonly number[] {
    const value = this.list(name)
    const isCount = (each: unknown) => Number.isSafeInteger(each) && (each as number) >= 0
    if (value.length <= maxLength && value.every(isCount)) return value as number[]
    throw refused(name, value, `at most ${maxLength} whole numbers`)
  }

  count(name: string, max: number, min = 0): number {
    const value = this.#values.get(name)
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
    throw refused(name, value, `a whole number from ${min} to ${max}`)
  }

  u32(name: string, min = 0): number {
    return this.count(name, MAX_U32, min)
  }

  optionalU32(name: string): number | undefined {
    return this.#values.get(name) === undefined ? undefined : this.u32(name)
  }

  number(name: string): number {
    const value = this.#values.get(name)
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw refused(name, value, 'a finite number')
  }

  optionalNumber(name: string): number | undefined {
    return this.#values.get(name) === undefined ? undefined : this.number(name)
  }

  text(name: string): string {
    const value = this.#values.get(name)
    if (typeof value === 'string') return value
    throw refused(name, value, 'a text')
  }

  /** None where the field is missing. */
  optionalTexts(name: string): readonly string[] {
    const value = this.#values.get(name) ?? []
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
    throw refused(name, value, 'a list of texts')
  }

  boolean(name: string): boolean {
    const value = this.#values.get(name)
    if (typeof value === 'boolean') return value
    throw refused(name, value, 'true or false')
  }

  oneOf<const T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.#values.get(name)
    const found = allowed.find((candidate) => candidate === value)
    if (found !== undefined) return found
    throw refused(name, value, `one of ${allowed.join(', ')}`)
  }
}

function refused(name: string, value: unknown, rule: string): ImageError {
  const shown = (JSON.stringify(value) ?? 'missing').slice(0, 100)
  return new ImageError(`${name} is ${shown}; it must be ${rule}`)
}
