/**
 * Makes the sampler one folder that needs nothing but Node: `node scripts/bundle-service.mjs OUTDIR`.
 *
 * OUTDIR/keepset.mjs is all code of `keepset serve` and `keepset runs`; OUTDIR/packages has the files that packages read beside their
 * code when they run, and the program of planning threads; service.json tells its version and the oldest Node that runs it; LICENSE and THIRD-PARTY-LICENSES.txt are what must come
 * along. A bundle that OUTDIR has is replaced. The same sources give the same bytes. Works on the sources: nothing needs to be compiled before.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Packages of this repository → their folders. */
const workspaces = {
  '@keepset/proto': 'proto',
  '@keepset/client': 'clients/node',
  '@keepset/sampler': 'services/sampler',
}

const lockPrebuild = (platform) => `prebuilds/${platform}/fs-native-extensions.node`
/** What packages read beside their code. */
const filesOfPackages = {
  '@keepset/sampler': ['package.json'],
  '@keepset/proto': ['package.json', 'keepset'],
  'grpc-health-check': ['proto/health'],
  '@grpc/reflection': ['build/proto/grpc'],
  'fs-native-extensions': [
    'LICENSE',
    'package.json',
    ...['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64', 'win32-arm64'].map(lockPrebuild),
  ],
}

/** The package that a source file belongs to, and that package's folder. */
function packageOf(file) {
  const path = relative(root, file).replaceAll('\\', '/')
  const installed = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)
  if (installed) return { name: installed[1], folder: join(root, installed[0]) }
  const own = Object.entries(workspaces).find(([, folder]) => path.startsWith(`${folder}/`))
  if (!own) throw new Error(`${path} belongs to no package that is known here`)
  return { name: own[0], folder: join(root, own[1]) }
}

/** Where packages think that their files are: code that looks beside itself finds them in OUTDIR/packages. */
const movedFiles = {
  name: 'moved-files',
  setup({ onLoad }) {
    onLoad({ filter: /\.[cm]?[jt]s$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (!/\b__(dirname|filename)\b|\bimport\.meta\b/.test(text)) return
      const { name, folder } = packageOf(path)
      const here = `packages/${name}/${relative(folder, path).replaceAll('\\', '/')}`
      const contents = workspaces[name]
        ? text
            .replaceAll(
              "import.meta.resolve('@keepset/proto/package.json')",
              "$bundleUrl('packages/@keepset/proto/package.json')",
            )
            .replaceAll('import.meta.url', `$bundleUrl('${here}')`)
        : `var __filename = $bundlePath('${here}'), __dirname = $bundlePath('${dirname(here)}');${text}`
      return { contents, loader: path.endsWith('ts') ? 'ts' : 'js' }
    })
  },
}

const banner = `import { createRequire as $createRequire } from 'node:module';
import { fileURLToPath as $fileURLToPath } from 'node:url';
const require = $createRequire(import.meta.url);
const $bundleUrl = (path) => new URL(path, import.meta.url).href;
const $bundlePath = (path) => $fileURLToPath($bundleUrl(path));`

/** A program of OUTDIR → the source that it begins with. A thread's program lies where the code that starts it thinks that it is itself. */
const programs = {
  'keepset.mjs': 'services/sampler/src/main.ts',
  'packages/@keepset/sampler/src/planning/plan-worker.js': 'services/sampler/src/planning/plan-worker.ts',
}

/** Bundles a program of OUTDIR. Returns the source files that are in it. */
async function bundle(outdir, program) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [programs[program]],
    outfile: join(outdir, program),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    alias: { '@keepset/proto': './proto/index.ts', '@keepset/client': './clients/node/src/index.ts' },
    // Names stay, so that the stack in a log can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    banner: { js: banner },
    plugins: [movedFiles],
    metafile: true,
    logLevel: 'warning',
  })
  return Object.keys(metafile.inputs).map((path) => join(root, path))
}

/** The licence of a package: its own file, or ours in scripts/licences where it comes without one. */
function licenceOf(name, folder) {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name))
  const ours = join(root, 'scripts/licences', `${name}.txt`)
  if (!file && !existsSync(ours)) throw new Error(`${folder} has no licence file: put its licence into ${ours}`)
  return readFileSync(file ? join(folder, file) : ours, 'utf8')
    .replaceAll('\r\n', '\n')
    .trim()
}

function thirdPartyLicences(files) {
  const folders = [...new Set(files.map((file) => packageOf(file).folder))].filter((folder) =>
    folder.includes('node_modules'),
  )
  const parts = folders.map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return `${name} ${version}\n\n${licenceOf(name, folder)}\n`
  })
  return [...new Set(parts)].sort().join(`\n${'-'.repeat(80)}\n\n`)
}

async function main(outdir) {
  if (existsSync(outdir) && readdirSync(outdir).length > 0 && !existsSync(join(outdir, 'service.json'))) {
    throw new Error(`${outdir} has something else than a bundle in it: name a folder that is empty or not there`)
  }
  rmSync(outdir, { recursive: true, force: true })
  mkdirSync(outdir, { recursive: true })
  const sources = (await Promise.all(Object.keys(programs).map((program) => bundle(outdir, program)))).flat()
  for (const [name, paths] of Object.entries(filesOfPackages)) {
    const folder = join(root, workspaces[name] ?? `node_modules/${name}`)
    for (const path of paths) cpSync(join(folder, path), join(outdir, 'packages', name, path), { recursive: true })
  }
  const { version, engines } = JSON.parse(readFileSync(join(root, 'services/sampler/package.json'), 'utf8'))
  writeFileSync(join(outdir, 'service.json'), `${JSON.stringify({ version, node: engines.node.replace('>=', '') })}\n`)
  writeFileSync(join(outdir, 'THIRD-PARTY-LICENSES.txt'), thirdPartyLicences(sources))
  cpSync(join(root, 'LICENSE'), join(outdir, 'LICENSE'))
}

const [outdir, ...more] = process.argv.slice(2)
if (!outdir || more.length > 0) {
  console.error('usage: node scripts/bundle-service.mjs OUTDIR')
  process.exit(2)
}
await main(resolve(outdir)).catch(({ message }) => {
  console.error(`bundle-service: ${message}`)
  process.exitCode = 1
})
