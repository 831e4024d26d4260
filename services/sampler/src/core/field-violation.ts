/** What is wrong with one field: the field's path as in the proto, and a text that names the value and the remedy. */
export interface FieldViolation {
  readonly field: string
  readonly description: string
}

/** A violation unless lower <= value <= upper (NaN never is). */
export function checkRange(field: string, value: number, lower: number, upper: number): FieldViolation[] {
  if (value >= lower && value <= upper) return []
  return [{ field, description: `${field} is ${value}; it must be from ${lower} to ${upper}` }]
}
