import { totalmem } from 'node:os'
import { z } from 'zod'

const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:]+):\d{1,5}$/, {
    error: 'must be HOST:PORT, for example 127.0.0.1:50051',
    abort: true,
  })
  .refine((value) => Number(value.slice(value.lastIndexOf(':') + 1)) <= 0xffff, 'must have a port up to 65535')
const addressOrOff = z.union([z.literal('off'), address], {
  error: 'must be off or HOST:PORT, for example 127.0.0.1:0',
})
/** Number() reads an empty text as 0: a variable that is set to nothing is a mistake. */
const number = <T extends z.ZodType>(type: T) => z.preprocess((value) => (value === '' ? Number.NaN : value), type)
const count = (upper: number) => number(z.coerce.number({ error: 'must be a number' }).int().min(1).max(upper))

const schema = z.object({
  listen: address,
  http: address,
  lifeline: addressOrOff,
  store: z.enum(['file', 'memory']),
  dataDir: z.string().min(1, 'must name a directory'),
  epochStarts: number(z.coerce.number({ error: 'must be a number' }).int().min(0).max(1000)),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  maxRuns: count(1_000_000),
  maxSamples: count(0xffffffff),
  maxMemoryBytes: count(Number.MAX_SAFE_INTEGER),
  idleSeconds: number(z.coerce.number({ error: 'must be a number' }).min(0.01).max(1e9)),
  finishedHours: number(z.coerce.number({ error: 'must be a number' }).min(0).max(1e6)),
  maxMessageBytes: count(64 * 1024 * 1024),
  drainSeconds: number(z.coerce.number({ error: 'must be a number' }).min(0).max(3600)),
  keepaliveSeconds: number(z.coerce.number({ error: 'must be a number' }).min(0.01).max(3600)),
})

/** Settings of a sampler process, checked. Frozen: nothing changes them once it runs. */
export type Config = Readonly<z.infer<typeof schema>>

/** A setting that a sampler cannot start with. The message names the flag, the value and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** One setting: its flag, what stands for its value in --help, its default, and what it is. */
export interface Setting {
  readonly name: keyof Config
  readonly flag: string
  readonly placeholder: string
  readonly fallback: string
  readonly description: string
}

/** Half of the memory that this process may have: of the machine's, or of its container's where that is less. */
function halfOfMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0
  return Math.floor((limit > 0 ? Math.min(limit, totalmem()) : totalmem()) / 2)
}

/** Every setting of `keepset serve`. The environment variable of --max-runs is KEEPSET_MAX_RUNS. */
export const settings: readonly Setting[] = [
  {
    name: 'listen',
    flag: 'listen',
    placeholder: 'HOST:PORT',
    fallback: '127.0.0.1:50051',
    description: 'gRPC address; port 0 takes a free one',
  },
  {
    name: 'http',
    flag: 'http',
    placeholder: 'HOST:PORT',
    fallback: '127.0.0.1:8350',
    description: 'HTTP address of /healthz and /readyz; port 0 takes a free one',
  },
  {
    name: 'lifeline',
    flag: 'lifeline',
    placeholder: 'HOST:PORT',
    fallback: 'off',
    description:
      'address that keeps the sampler alive: it ends when nobody is connected there any more, or nobody came within 5 s; port 0 takes a free one',
  },
  {
    name: 'store',
    flag: 'store',
    placeholder: 'STORE',
    fallback: 'file',
    description: 'where runs are recorded: file (they survive the process), memory (they end with it)',
  },
  {
    name: 'dataDir',
    flag: 'data-dir',
    placeholder: 'DIR',
    fallback: './keepset-data',
    description: 'directory of --store file; one sampler at a time uses it',
  },
  {
    name: 'epochStarts',
    flag: 'epoch-starts',
    placeholder: 'N',
    fallback: '3',
    description:
      'epoch starts that are kept of each run besides the first and the present one, to which it can be rewound; 0 keeps none',
  },
  {
    name: 'maxRuns',
    flag: 'max-runs',
    placeholder: 'N',
    fallback: '1000',
    description: 'most runs recorded, in memory or not',
  },
  {
    name: 'maxSamples',
    flag: 'max-samples',
    placeholder: 'N',
    fallback: '100000000',
    description: 'most samples of one run',
  },
  {
    name: 'maxMemoryBytes',
    flag: 'max-memory-bytes',
    placeholder: 'BYTES',
    fallback: String(halfOfMemory()),
    description:
      'most memory of the runs that are loaded, 64 KiB and 26.2 bytes a sample each; a run must fit twice; the default is half of what there is',
  },
  {
    name: 'idleSeconds',
    flag: 'idle-seconds',
    placeholder: 'SECONDS',
    fallback: '600',
    description: 'a run that nobody called for so long leaves memory; it comes back with the next call',
  },
  {
    name: 'finishedHours',
    flag: 'finished-hours',
    placeholder: 'HOURS',
    fallback: '720',
    description: 'a finished run is removed after so long; 0 keeps it',
  },
  {
    name: 'maxMessageBytes',
    flag: 'max-message-bytes',
    placeholder: 'BYTES',
    fallback: '4194304',
    description: 'largest message taken from a client',
  },
  {
    name: 'drainSeconds',
    flag: 'drain-seconds',
    placeholder: 'SECONDS',
    fallback: '10',
    description: 'how long a shutdown waits for calls that are under way',
  },
  {
    name: 'keepaliveSeconds',
    flag: 'keepalive-seconds',
    placeholder: 'SECONDS',
    fallback: '60',
    description: 'how long a connection may be silent before it is pinged, and then how long the answer may take',
  },
  {
    name: 'logLevel',
    flag: 'log-level',
    placeholder: 'LEVEL',
    fallback: 'info',
    description: 'trace, debug, info, warn, error, fatal or silent',
  },
]

/** The environment variable of a setting. */
export function environmentVariable({ flag }: Setting): string {
  return `KEEPSET_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** The settings with nothing given. */
export const defaults: Readonly<Record<string, string>> = Object.fromEntries(
  settings.map(({ name, fallback }) => [name, fallback]),
)

/** Checks settings; what is not given has its default. Throws ConfigError with every bad one. */
export function readConfig(given: Readonly<Partial<Record<keyof Config, unknown>>>): Config {
  const values = { ...defaults, ...given }
  const result = schema.safeParse(values)
  if (result.success) return Object.freeze(result.data)
  const problems = result.error.issues.map((issue) => {
    const setting = settings.find(({ name }) => name === issue.path[0])
    const value = JSON.stringify(values[issue.path[0] as keyof Config])
    return `--${setting?.flag} is ${value}: ${issue.message} (also ${setting && environmentVariable(setting)})`
  })
  throw new ConfigError(problems.join('\n'))
}
