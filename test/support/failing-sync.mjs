/** Loaded before a sampler (NODE_OPTIONS --import): its disk fails to sync as soon as the file KEEPSET_TEST_FAIL_SYNC exists. */
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'

const handle = await open(import.meta.filename ?? new URL(import.meta.url).pathname)
const prototype = Object.getPrototypeOf(handle)
await handle.close()
const datasync = prototype.datasync
prototype.datasync = async function () {
  if (!existsSync(process.env.KEEPSET_TEST_FAIL_SYNC)) return datasync.call(this)
  throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' })
}
