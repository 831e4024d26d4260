#!/usr/bin/env node
/**
 * Sets up TensorFlow's own kernels for the trainer: `npm run setup:tensorflow [-- cpu|gpu]` (default cpu).
 *
 * @tensorflow/tfjs-node(-gpu) is no dependency of the workspaces, so that a plain `npm ci` stays small. Their own
 * installer brings TensorFlow 2.9, whose GPU build (CUDA 11.2) does not know current GPUs. On Linux with glibc this
 * script therefore builds the same addon on the TensorFlow library of the PyPI wheel, for gpu with NVIDIA's CUDA wheels
 * beside it. There is no such library in the wheels of other systems: there the package's own installer runs (cpu only).
 *
 * Everything is put into .cache/tensorflow and only linked from node_modules: `npm ci` removes the link, and the next
 * run restores it without a download. Neither package.json nor the lock file nor any installed package is touched.
 *
 * A failure is noted beside it. With --unless-failed, as `npm test` calls it, nothing is fetched for a day after one.
 *
 * Exit codes: 0 set up and verified, 1 failed, 2 wrong usage, 3 a tool is missing or the system is not supported,
 * 4 not tried because of --unless-failed.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const TENSORFLOW_VERSION = '2.21.0'
const TFJS_VERSION = '4.22.0'
const NODE_API_HEADERS_VERSION = '1.9.0'
/** How long a failure is remembered. */
const DAY_MS = 24 * 60 * 60 * 1000
/** Node's names of the processors for which PyPI has TensorFlow, and PyPI's. */
const ARCHITECTURES = { x64: 'x86_64', arm64: 'aarch64' }

const root = fileURLToPath(new URL('..', import.meta.url))

class SetupError extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

const log = (message) => console.log(`setup:tensorflow: ${message}`)

/** Runs a command to its end and returns what it wrote to stdout; its stderr goes through. */
function run(command, args, options = {}) {
  const stdio = ['ignore', 'pipe', 'inherit']
  const { status, error, stdout } = spawnSync(command, args, { encoding: 'utf8', stdio, ...options })
  if (error) throw new SetupError(`${command} could not be started: ${error.message}`)
  if (status !== 0) {
    const [program, ...words] = [command, ...args.filter((arg) => !arg.startsWith('-'))]
    throw new SetupError(
      `"${program} ${words.slice(0, 2).join(' ')}" failed with exit code ${status}\n${stdout}`.trim(),
    )
  }
  return stdout
}

function requireTools() {
  const cxx = process.env.CXX ?? 'g++'
  const tools = [
    { name: 'python3', test: ['python3', '--version'], remedy: 'apt-get install python3' },
    { name: 'pip for python3', test: ['python3', '-m', 'pip', '--version'], remedy: 'apt-get install python3-pip' },
    { name: cxx, test: [cxx, '--version'], remedy: 'apt-get install g++, or name a C++17 compiler in CXX' },
  ]
  const missing = tools.filter(({ test: [command, ...args] }) => spawnSync(command, args).status !== 0)
  if (missing.length === 0) return
  const lines = missing.map(({ name, remedy }) => `  ${name}: ${remedy}`)
  throw new SetupError(`missing on this machine, with the remedy on Debian and Ubuntu:\n${lines.join('\n')}`, 3)
}

/** PyPI's tags of the wheels that this system can load, as flags for pip. */
function wheelPlatforms() {
  const architecture = ARCHITECTURES[process.arch]
  if (!architecture) throw new SetupError(`TensorFlow's wheels have no library for Linux on ${process.arch}`, 3)
  const glibc = process.report.getReport().header.glibcVersionRuntime
  if (!glibc) throw new SetupError("TensorFlow's wheels need glibc, which this system has not (Alpine's is musl)", 3)
  const newest = Number(glibc.split('.')[1])
  const versions = Array.from({ length: newest - 16 }, (_, index) => `manylinux_2_${newest - index}`)
  return [...versions, 'manylinux2014'].flatMap((tag) => ['--platform', `${tag}_${architecture}`])
}

function downloadWheels(requirements, platforms, folder) {
  log(`fetching ${requirements.join(', ')}`)
  // Only the libraries inside are used, so this machine's Python need not be one that the wheels are made for.
  const python = ['--python-version', '3.11', '--implementation', 'cp']
  const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:']
  const network = ['--retries', '1', '--timeout', '15']
  run('python3', [...pip, ...network, ...platforms, ...python, '--dest', folder, ...requirements])
  return readdirSync(folder)
    .filter((file) => file.endsWith('.whl'))
    .map((file) => join(folder, file))
}

/** Unpacks the files of a wheel whose paths begin with one of the prefixes; programs stay executable. */
function unpackWheel(wheel, folder, prefixes) {
  const program = `
import os, sys, zipfile
wheel, folder, *prefixes = sys.argv[1:]
archive = zipfile.ZipFile(wheel)
for entry in archive.infolist():
    if entry.filename.startswith(tuple(prefixes)):
        path = archive.extract(entry, folder)
        if not entry.is_dir() and entry.external_attr >> 16 & 0o100:
            os.chmod(path, 0o755)`
  run('python3', ['-c', program, wheel, folder, ...prefixes])
}

/** The NVIDIA wheels that this TensorFlow wheel asks for in its extra "and-cuda". */
function cudaRequirements(wheel) {
  const program = `
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
metadata = next(name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
for line in archive.read(metadata).decode().splitlines():
    requirement, _, marker = line.partition(';')
    if line.startswith('Requires-Dist:') and 'and-cuda' in marker:
        print(requirement.removeprefix('Requires-Dist:').strip())`
  return run('python3', ['-c', program, wheel]).split('\n').filter(Boolean)
}

/** Puts TensorFlow's library and C headers where the addon looks for them: PACKAGE/deps. */
function addTensorFlow(target, packageFolder, scratch) {
  const platforms = wheelPlatforms()
  const deps = join(packageFolder, 'deps')
  mkdirSync(deps, { recursive: true })
  const name = target === 'gpu' ? 'tensorflow' : 'tensorflow-cpu'
  const [wheel] = downloadWheels([`${name}==${TENSORFLOW_VERSION}`], platforms, join(scratch, 'tensorflow'))
  const headers = [
    'tensorflow/c/',
    'tensorflow/core/platform/ctstring',
    'tsl/platform/ctstring',
    'tsl/c/',
    'xla/tsl/c/',
  ]
  log('unpacking the library')
  unpackWheel(wheel, scratch, ['tensorflow/libtensorflow_', ...headers.map((path) => `tensorflow/include/${path}`)])
  renameSync(join(scratch, 'tensorflow/include'), join(deps, 'include'))
  mkdirSync(join(deps, 'lib'))
  for (const file of readdirSync(join(scratch, 'tensorflow')).filter((file) => file.startsWith('libtensorflow_'))) {
    renameSync(join(scratch, 'tensorflow', file), join(deps, 'lib', file))
  }
  if (target === 'gpu') {
    // TensorFlow's library looks for CUDA's in ../nvidia/*/lib, seen from its own folder.
    for (const cuda of downloadWheels(cudaRequirements(wheel), platforms, join(scratch, 'cuda'))) {
      unpackWheel(cuda, deps, ['nvidia/'])
    }
  }
}

function buildAddon(folder, packageFolder) {
  log('building the addon')
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(packageFolder, 'binding', file))
  const addonFolder = join(packageFolder, 'lib/napi-v8')
  const include = [join(folder, 'node_modules/node-api-headers/include'), join(packageFolder, 'deps/include')]
  const libraries = ['-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2', '-Wl,-rpath,$ORIGIN/../../deps/lib']
  mkdirSync(addonFolder, { recursive: true })
  run(process.env.CXX ?? 'g++', [
    ...['-O2', '-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8', ...include.map((path) => `-I${path}`)],
    ...[...sources, `-L${join(packageFolder, 'deps/lib')}`, ...libraries, '-o', join(addonFolder, 'tfjs_binding.node')],
  ])
}

/** Installs the package with all that it needs into the folder, which appears only when it is complete. */
function fillCache(target, packageName, folder) {
  const onWheel = process.platform === 'linux'
  if (onWheel) {
    wheelPlatforms()
    requireTools()
  } else if (target === 'gpu') {
    throw new SetupError('GPUs are supported on Linux only', 3)
  }
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  try {
    writeFileSync(join(partial, 'package.json'), '{ "private": true }\n')
    log(`installing ${packageName}@${TFJS_VERSION}`)
    const packages = [`${packageName}@${TFJS_VERSION}`, `node-api-headers@${NODE_API_HEADERS_VERSION}`]
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const network = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-timeout=60000']
    // --prefix: inside `npm run` npm would otherwise take the repository for the place to install into.
    run('npm', ['install', '--prefix', partial, ...flags, ...network, ...packages], {
      cwd: partial,
      shell: process.platform === 'win32',
    })
    const packageFolder = join(partial, 'node_modules', packageName)
    if (onWheel) {
      addTensorFlow(target, packageFolder, join(partial, 'scratch'))
      buildAddon(partial, packageFolder)
      rmSync(join(partial, 'scratch'), { recursive: true })
    } else {
      run(process.execPath, ['scripts/install.js', 'download'], { cwd: packageFolder })
    }
    rmSync(folder, { recursive: true, force: true })
    renameSync(partial, folder)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

function linkPackage(packageName, folder) {
  const link = join(root, 'node_modules', packageName)
  const packageFolder = join(folder, 'node_modules', packageName)
  if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link, { recursive: true })
  mkdirSync(dirname(link), { recursive: true })
  symlinkSync(relative(dirname(link), packageFolder), link, process.platform === 'win32' ? 'junction' : 'dir')
}

/** Multiplies two matrices in a process of its own. Returns what ran, or the error's text where it failed. */
function verify(packageName) {
  const program = `
const util = require('node:util')
util.isNullOrUndefined ??= (value) => value == null
util.isArray ??= Array.isArray
const tf = require('${packageName}')
const product = tf.matMul([[1, 2], [3, 4]], [[5, 6], [7, 8]]).arraySync()
if (tf.getBackend() !== 'tensorflow' || String(product) !== '19,22,43,50') throw new Error('wrong product ' + product)
const { binding, isUsingGpuDevice } = tf.backend()
console.log('RESULT' + JSON.stringify({ version: binding.TF_Version, gpu: isUsingGpuDevice }))`
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' }
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program], { cwd: root, env, encoding: 'utf8' })
  const result = /^RESULT(.*)$/m.exec(stdout)?.[1]
  return status === 0 && result ? { ok: true, ...JSON.parse(result) } : { ok: false, error: stderr.trim() }
}

/** Does what may fail after minutes. Leaves a note if it does, which stays until it succeeds. */
function tryOnceADay(note, unlessFailed, work) {
  const noted = existsSync(note) ? Date.parse(readFileSync(note, 'utf8')) : 0
  if (unlessFailed && Date.now() - noted < DAY_MS) {
    throw new SetupError('failed less than a day ago and is not tried again; `npm run setup:tensorflow` tries', 4)
  }
  try {
    const result = work()
    rmSync(note, { force: true })
    return result
  } catch (error) {
    if (error.exitCode === 1) writeFileSync(note, new Date().toISOString())
    throw error
  }
}

function setUp(target, unlessFailed) {
  const packageName = target === 'gpu' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node'
  const folder = join(root, '.cache/tensorflow', `${target}-${TENSORFLOW_VERSION}`)
  let result = existsSync(join(root, 'node_modules', packageName)) ? verify(packageName) : { ok: false }
  if (!result.ok && existsSync(folder)) {
    linkPackage(packageName, folder)
    result = verify(packageName)
    if (!result.ok) log(`what is in ${relative(root, folder)} does not work and is made again:\n${result.error}`)
  }
  if (!result.ok) {
    result = tryOnceADay(`${folder}.failed`, unlessFailed, () => {
      fillCache(target, packageName, folder)
      linkPackage(packageName, folder)
      const made = verify(packageName)
      if (!made.ok) throw new SetupError(`the addon was built but does not work:\n${made.error}`)
      return made
    })
  }
  log(`${packageName} multiplies on TensorFlow ${result.version}${result.gpu ? ', on the GPU' : ''}`)
  if (target === 'gpu' && !result.gpu) log('TensorFlow sees no GPU here and computes on the CPU: is the driver loaded?')
}

const [target = 'cpu', option, ...rest] = process.argv.slice(2)
const unlessFailed = option === '--unless-failed'
if ((option && !unlessFailed) || rest.length > 0 || !['cpu', 'gpu'].includes(target)) {
  console.error('usage: npm run setup:tensorflow [-- cpu|gpu [--unless-failed]]')
  process.exit(2)
}
try {
  setUp(target, unlessFailed)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`setup:tensorflow: ${error.message}`)
  process.exit(error.exitCode)
}
