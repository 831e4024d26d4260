import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Tests run on the sources of the workspaces, never on a build that may be stale. */
const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@keepset\/proto$/, replacement: source('proto/index.ts') },
      { find: /^@keepset\/sampler$/, replacement: source('services/sampler/src/bootstrap.ts') },
      { find: /^@keepset\/client$/, replacement: source('clients/node/src/index.ts') },
      { find: /^@keepset\/trainer$/, replacement: source('clients/trainer/src/index.ts') },
    ],
  },
  test: {
    include: ['{services,clients,examples}/*/src/**/*.test.ts', '{test,benches}/**/*.test.ts'],
    // By itself Vitest leaves a core free, which on two cores is half of the machine.
    maxWorkers: '100%',
    testTimeout: 20_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['{services,clients,examples}/*/src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/testing/**', '**/kernels/assembly/**'],
      reporter: ['text-summary', 'html', 'json-summary'],
      thresholds: { statements: 90, branches: 85, functions: 90, lines: 90 },
    },
  },
})
