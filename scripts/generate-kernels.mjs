/** Compiles the kernels of the sampler to WebAssembly: `node scripts/generate-kernels.mjs [OUTDIR]` writes kernels-wasm.ts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import asc from 'assemblyscript/asc'
import { root } from './setup.mjs'

const folder = 'services/sampler/src/kernels'
const [outdir = join(root, folder)] = process.argv.slice(2)

/** The compiled module. It has neither data nor a start function: an instance leaves the memory that it is bound to as it is. */
async function compile() {
  let module
  const { error, stderr } = await asc.main(
    [
      'index.ts',
      ...['--baseDir', join(root, folder, 'assembly')],
      ...['--outFile', 'kernels.wasm'],
      ...['--optimizeLevel', '3', '--converge', '--noAssert', '--runtime', 'stub'],
      ...['--enable', 'simd,threads', '--importMemory', '--sharedMemory', '--noExportMemory'],
      // The smallest and the largest memory that an instance can be bound to, in pages of 64 KiB.
      ...['--initialMemory', '9', '--maximumMemory', '65536'],
    ],
    {
      writeFile: (_, contents) => {
        module = contents
      },
    },
  )
  if (error) throw new Error(`the kernels do not compile: ${stderr}`)
  return Buffer.from(module)
}

const text = `/** The kernels in assembly/, compiled by \`npm run generate\`: WebAssembly in base64. */
export const kernelsWasm =
  '${(await compile()).toString('base64')}'
`
mkdirSync(outdir, { recursive: true })
writeFileSync(join(outdir, 'kernels-wasm.ts'), text)
