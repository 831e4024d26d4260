import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Calls `start` with the environment that tells a test runner where to write its counts. Returns the exit code that `start` returns
 * and the counts { passed, failed, skipped }; no counts where the runner ended before it could count.
 */
export function runWithCounts(start) {
  const folder = mkdtempSync(join(tmpdir(), 'keepset-test-'))
  const file = join(folder, 'counts.json')
  try {
    const code = start({ KEEPSET_TEST_COUNTS: file })
    if (existsSync(file)) return { code, counts: JSON.parse(readFileSync(file, 'utf8')) }
    console.log('') // What it wrote last may lack the end of the line.
    return { code }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
