/**
 * Who may import whom: core <- kernels; core <- runs <- { store, grpc, web, planning } <- bootstrap <- main; clients know only the contract.
 * Checked by test/architecture/architecture.test.ts, which also shows that each rule can fail.
 */
const src = '^services/sampler/src/'
/** Tests, and what only they use; neither is in a package. */
const tests = '(\\.test\\.ts$|/testing/)'
const contract = '^(proto/|@keepset/proto)'

/** A rule against the imports of production code in `from` that match `to`. */
const forbid = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: tests },
  to,
})

export default {
  forbidden: [
    forbid('core-imports-only-core', 'core is pure: no built-ins, no packages, nothing of ours', `${src}core/`, {
      pathNot: `${src}core/`,
    }),
    forbid('kernels-import-only-core', 'a kernel is a twin of what core does, and knows no more', `${src}kernels/`, {
      pathNot: `${src}(core|kernels)/`,
    }),
    forbid('runs-import-only-core', 'runs decide and do no I/O: besides core only pure built-ins', `${src}runs/`, {
      pathNot: [`${src}(core|runs)/`, '^(crypto|util)$'],
    }),
    forbid(
      'planning-makes-plans-for-runs',
      'threads compute what runs ask for; they know no store and no wire',
      `${src}planning/`,
      {
        path: [src, contract, '(^|/)@grpc/'],
        pathNot: `${src}(core|kernels|runs|planning)/`,
      },
    ),
    forbid('store-knows-only-ports-and-events', 'a store keeps events and knows no more of runs', `${src}store/`, {
      path: src,
      pathNot: `${src}(core/|store/|runs/(ports|run-event|store-error)\\.ts$)`,
    }),
    forbid('store-speaks-no-wire', 'disk types are not wire types', `${src}store/`, {
      path: [contract, '(^|/)@grpc/', '(^|/)fastify(/|$)'],
    }),
    forbid('grpc-imports-runs-and-core', 'gRPC maps and calls; it decides and stores nothing', `${src}grpc/`, {
      path: src,
      pathNot: `${src}(core|runs|grpc)/`,
    }),
    forbid('web-imports-runs-and-core', 'HTTP shows what runs say; it decides and stores nothing', `${src}web/`, {
      path: src,
      pathNot: `${src}(core|runs|web)/`,
    }),
    forbid('config-stands-alone', 'settings are read before anything that they are for exists', `${src}config/`, {
      path: src,
      pathNot: `${src}(core|config)/`,
    }),
    forbid('command-is-a-client', '`keepset runs` asks a sampler as any client does', `${src}command/`, {
      path: [src, contract, '(^|/)@grpc/'],
      pathNot: `${src}(command|config)/`,
    }),
    forbid(
      'command-is-for-main',
      'the service does not load what only the command line needs',
      `${src}(?!command/|main\\.ts$)`,
      {
        path: `${src}command/`,
      },
    ),
    forbid('bootstrap-is-for-main', 'one place puts the parts together', `${src}(?!main\\.ts$)`, {
      path: `${src}bootstrap\\.ts$`,
    }),
    forbid('nothing-imports-main', 'a main file runs when it is imported', '^(services|clients|examples)/', {
      path: '^(services|clients|examples)/[^/]+/src/main\\.ts$',
    }),
    forbid('clients-know-no-service', 'a client knows the contract only', '^clients/', {
      path: '^(services/|@keepset/sampler)',
    }),
    forbid('node-client-is-small', 'the Node client: the contract, gRPC and built-ins', '^clients/node/', {
      pathNot: ['^clients/node/', contract, '(^|/)@grpc/grpc-js(/|$)'],
      dependencyTypesNot: ['core'],
    }),
    forbid('trainer-talks-through-the-client', 'the trainer uses what any Node user has', '^clients/trainer/', {
      path: [contract, '(^|/)@grpc/'],
    }),
    forbid('contract-knows-nobody', 'the contract is imported and imports nothing of ours', '^proto/', {
      path: '^(services|clients|examples)/|@keepset/',
    }),
    forbid(
      'workspaces-meet-by-name',
      'no relative path leads out of a workspace',
      '^((services|clients|examples)/[^/]+)/',
      {
        path: '^(proto|services|clients|examples|test|scripts)/',
        pathNot: ['^$1/', '/dist/'],
      },
    ),
    forbid(
      'imports-are-declared',
      'what runs in production is a dependency of its workspace',
      '^(proto|services|clients|examples)/',
      {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
      },
    ),
  ],
  options: {
    // TypeScript 7 has no parser that dependency-cruiser knows: without swc it finds no module at all.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['(^|/)node_modules/', '/dist/'] },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
