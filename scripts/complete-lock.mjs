/**
 * Adds to package-lock.json the optional packages of other platforms that `npm install` left out: `npm run lock`.
 *
 * A registry mirror may carry the binaries of a few platforms only. npm then writes a lock without the others, and from
 * that lock `npm ci` installs nowhere. The entries written here pin the exact version; they have no integrity hash, which
 * only the missing package could tell, and npm fetches them on the platform that they are for and on no other.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors = ['arm', 'arm64', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64']
const libraries = { gnu: ['glibc'], musl: ['musl'] }

/** What a package of binaries supports, read from its name: @swc/core-linux-arm64-musl → linux, arm64, musl. */
function platformOf(name) {
  const words = name.split(/[/-]/).map((word) => word.replace(/^armv7$/, 'arm'))
  const os = words.filter((word) => systems.includes(word))
  const cpu = words.filter((word) => processors.includes(word))
  const libc = words.flatMap((word) => libraries[word.replace(/eabi(hf)?$/, '')] ?? [])
  if (os.length !== 1 || cpu.length !== 1) throw new Error(`package-lock.json lacks ${name}, which names no platform`)
  return { cpu, ...(libc.length > 0 && { libc }), os }
}

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))
const missing = {}
for (const [path, { dev, optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (lock.packages[`node_modules/${name}`] ?? lock.packages[`${path}/node_modules/${name}`]) continue
    if (!/^\d+\.\d+\.\d+\S*$/.test(version))
      throw new Error(`package-lock.json lacks ${name} ${version}, no exact version`)
    missing[`node_modules/${name}`] = { version, ...platformOf(name), ...(dev && { dev }), optional: true }
  }
}
const byPath = ([a], [b]) => (a < b ? -1 : 1)
lock.packages = Object.fromEntries(Object.entries({ ...lock.packages, ...missing }).sort(byPath))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`package-lock.json: ${Object.keys(missing).length} packages of other platforms added`)

// npm writes into its list of what is installed what it only locked: without the list, the next set-up installs.
rmSync(new URL('../node_modules/.package-lock.json', import.meta.url), { force: true })
