import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The file of the only command that an installed package brings. */
export function findCommand(packageName: string): string {
  const manifest = fileURLToPath(import.meta.resolve(`${packageName}/package.json`))
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: Record<string, string> }
  return join(dirname(manifest), Object.values(bin)[0] as string)
}
