import type { RunSettings } from '@keepset/client'

/** The settings of a policy with the names of the contract: poolRate becomes pool_rate. */
export function policySettings({ kind: _, ...settings }: RunSettings['policy']): [name: string, value: unknown][] {
  return Object.entries(settings).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ])
}
