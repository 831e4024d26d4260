/** A file of a data set is missing or is not what its format says. The message names the file, the field and a remedy. */
export class DataError extends Error {
  override readonly name = 'DataError'
  /** Path of the file or folder. */
  readonly path: string

  constructor(path: string, problem: string, remedy: string, options?: ErrorOptions) {
    super(`${path}: ${problem}. ${remedy}.`, options)
    this.path = path
  }
}
