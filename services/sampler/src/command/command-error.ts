/** Exit codes: what the user must correct before another try is 2, what failed on the way is 1. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, SIGINT: 130, SIGTERM: 143 } as const

/** Ends a command. The message is one line that says what is wrong and what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number

  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** The error of an argument, or of a file that an argument names. */
export function usageError(message: string, options?: ErrorOptions): CommandError {
  return new CommandError(message, exitCodes.usage, options)
}

/** The error of what went wrong on the way. */
export function failure(message: string, options?: ErrorOptions): CommandError {
  return new CommandError(message, exitCodes.failed, options)
}
