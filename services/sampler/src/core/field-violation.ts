/** What is wrong with one field: the field's path as in the proto, and a text that names the value and the remedy. */
export interface FieldViolation {
  readonly field: string
  readonly description: string
}

/** A violation unless value is a whole number from lower to upper. */
export function checkInteger(field: string, value: number, lower: number, upper: number): FieldViolation[] {
  if (Number.isInteger(value) && value >= lower && value <= upper) return []
  return [{ field, description: `${field} is ${value}; it must be a whole number from ${lower} to ${upper}` }]
}

/** A violation unless lower <= value <= upper (NaN never is). */
export function checkRange(field: string, value: number, lower: number, upper: number): FieldViolation[] {
  if (value >= lower && value <= upper) return []
  return [{ field, description: `${field} is ${value}; it must be from ${lower} to ${upper}` }]
}
