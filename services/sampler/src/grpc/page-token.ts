import { invalidField } from '../runs/run-error.js'

/** An opaque token that stands for the last run of a page. */
export function writePageToken(runId: string): string {
  return Buffer.from(runId).toString('base64url')
}

/** The run after which the page starts. */
export function readPageToken(token: string): string {
  const runId = Buffer.from(token, 'base64url').toString()
  if (writePageToken(runId) === token) return runId
  const rule = 'it must be one that this sampler gave out, or empty for the first page'
  throw invalidField('page_token', `page_token is ${JSON.stringify(token.slice(0, 200))}; ${rule}`)
}
