import { loadBackend } from '../load-backend.js'

/**
 * Why tests of the native backend cannot run here, or undefined where they can. It is set up by `npm run setup:tensorflow`
 * and optional; where KEEPSET_REQUIRE_NATIVE=1 says that it must be there, as in CI, its absence is an error.
 */
export async function whyNoNative(): Promise<string | undefined> {
  try {
    await loadBackend('tfjs-node')
    return undefined
  } catch (error) {
    if (process.env.KEEPSET_REQUIRE_NATIVE === '1') throw error
    const reason = (error as Error).message
    console.warn(`Tests of the native backend are skipped: ${reason}`)
    return reason
  }
}
