/**
 * Loaded before the sampler's main program: SIGUSR2 begins a CPU profile of its main thread, and the next one ends it. Each profile is written to the file
 * that KEEPSET_PROFILE names, which is there when it is whole; the begin is told by an empty file of that name with ".begun".
 */
import { rename, writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { isMainThread } from 'node:worker_threads'

const path = process.env.KEEPSET_PROFILE

if (isMainThread && path) {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 200 })
  let isOn = false
  process.on('SIGUSR2', async () => {
    isOn = !isOn
    if (isOn) {
      await session.post('Profiler.start')
      await writeFile(`${path}.begun`, '')
    } else {
      const { profile } = await session.post('Profiler.stop')
      await writeFile(`${path}.part`, JSON.stringify(profile))
      await rename(`${path}.part`, path)
    }
  })
}
