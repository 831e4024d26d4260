import { createInterface } from 'node:readline/promises'
import { usageError } from './command-error.js'
import type { Streams } from './streams.js'

/** Of a command that asks before it forgets something. */
export interface ConfirmOption {
  /** Whether to go on unasked. */
  readonly yes?: boolean
}

/**
 * Asks on the terminal whether to go on; only "y" and "yes" say so. Throws where there is no terminal to ask on.
 *
 * @param question ends with its question mark
 */
export async function confirm(question: string, streams: Streams, signal: AbortSignal): Promise<boolean> {
  const { stdin, stderr } = streams
  if (!stdin.isTTY || !stderr.isTTY) throw usageError('there is no terminal to ask on: give --yes to go on unasked')
  const reader = createInterface({ input: stdin, output: stderr })
  // At the end of the input (Ctrl-D), or at Ctrl-C, there will be no answer.
  const closed = new Promise<undefined>((resolve) => reader.once('close', () => resolve(undefined)))
  try {
    const answer = await Promise.race([reader.question(`${question} [y/N] `, { signal }), closed])
    if (answer === undefined) stderr.write('\n')
    return /^y(es)?$/i.test(answer?.trim() ?? '')
  } finally {
    reader.close()
  }
}
