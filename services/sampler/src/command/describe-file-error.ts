import { getSystemErrorMap } from 'node:util'

/** What the system says of a file operation, without the name of the file: "ENOENT, no such file or directory". */
export function describeFileError(error: unknown): string {
  const { code, errno, message } = error as NodeJS.ErrnoException
  const text = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]
  return text === undefined ? (code ?? message) : `${code}, ${text}`
}
