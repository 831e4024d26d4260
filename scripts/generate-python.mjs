/**
 * Generates clients/python/src/keepset/_proto from proto/: `node scripts/generate-python.mjs [FOLDER]`. FOLDER takes the place of the
 * committed one, to compare. The compiler is grpcio-tools of one version, in a Python environment of its own under .cache.
 *
 * Code of an older protobuf runs on newer ones and not the other way round: this version's runs on protobuf 5.29, 6 and 7.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { findPython, pythonOf } from './python.mjs'
import { root } from './setup.mjs'

const GRPCIO_TOOLS = '1.71.2'

/**
 * What is generated. google.rpc gets a package and a file name of ours: protobuf keeps one registry for the whole process, and there
 * googleapis-common-protos may have put its own copy. Names of packages are not on the wire.
 */
const files = [
  { from: 'keepset/v1/run.proto', to: 'keepset/v1/run.proto' },
  { from: 'keepset/v1/run_service.proto', to: 'keepset/v1/run_service.proto' },
  { from: 'keepset/v1/sampler_service.proto', to: 'keepset/v1/sampler_service.proto' },
  { from: 'google/rpc/status.proto', to: 'keepset/rpc/status.proto' },
  { from: 'google/rpc/error_details.proto', to: 'keepset/rpc/error_details.proto' },
]

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`)
}

/** The Python that has the compiler, made the first time. */
function compilerPython() {
  const folder = join(root, '.cache', `grpcio-tools-${GRPCIO_TOOLS}`)
  const python = pythonOf(folder)
  const done = join(folder, 'installed')
  if (!existsSync(done)) {
    rmSync(folder, { recursive: true, force: true })
    const { executable, problem } = findPython()
    if (problem) throw new Error(problem)
    run(executable, ['-m', 'venv', folder])
    run(python, [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      `grpcio-tools==${GRPCIO_TOOLS}`,
      'setuptools<81',
    ])
    writeFileSync(done, '')
  }
  return python
}

/** The generated modules lie in one package of ours, not at the top of the path. */
function atHome(text) {
  return text
    .replace(/^from keepset\.(?:v1|rpc) import /gm, 'from keepset._proto import ')
    .replace(/'keepset\.(?:v1|rpc)\.(\w+_pb2)'/g, "'keepset._proto.$1'")
}

const target = resolve(process.argv[2] ?? join(root, 'clients/python/src/keepset/_proto'))
const scratch = mkdtempSync(join(tmpdir(), 'keepset-python-'))
try {
  const python = compilerPython()
  for (const { from, to } of files) {
    const text = readFileSync(join(root, 'proto', from), 'utf8').replace(
      /^package google\.rpc;/m,
      'package keepset.rpc;',
    )
    mkdirSync(join(scratch, 'in', to, '..'), { recursive: true })
    writeFileSync(join(scratch, 'in', to), text)
  }
  mkdirSync(join(scratch, 'out'))
  const output = join(scratch, 'out')
  const protos = files.map(({ to }) => join(scratch, 'in', to))
  run(python, [
    '-m',
    'grpc_tools.protoc',
    '-I',
    join(scratch, 'in'),
    `--python_out=${output}`,
    `--pyi_out=${output}`,
    ...protos,
  ])
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  writeFileSync(
    join(target, '__init__.py'),
    '"""Messages of the contract, generated from proto/ by scripts/generate-python.mjs. Not for direct use."""\n',
  )
  for (const { to } of files) {
    for (const ending of ['_pb2.py', '_pb2.pyi']) {
      const name = to.replace(/\.proto$/, ending)
      writeFileSync(join(target, name.replace(/.*\//, '')), atHome(readFileSync(join(output, name), 'utf8')))
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
