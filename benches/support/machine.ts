import { cpus, release, totalmem, type } from 'node:os'

/** What the figures were measured on. */
export function describeMachine() {
  const processors = cpus()
  return {
    processor: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    architecture: process.arch,
    node: process.version,
    v8: process.versions.v8,
  }
}
