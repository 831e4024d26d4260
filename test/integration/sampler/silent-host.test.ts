import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { serverDeadline } from '../../support/calls.js'
import { SamplerStubs, TestSampler } from '../../support/test-sampler.js'

/** Stands between a client and the sampler and can fall silent: both connections stay open, and nothing passes. */
async function startSilentProxy(target: string) {
  const sockets: Socket[] = []
  const [host = '', port = ''] = target.split(':')
  const server = createServer((near) => {
    const far = connect(Number(port), host)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far)
    far.pipe(near)
    sockets.push(near, far)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port: own } = server.address() as { port: number }
  return {
    address: `127.0.0.1:${own}`,
    fallSilent: () => {
      for (const socket of sockets) socket.unpipe().pause()
    },
    stop: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

test('a host that is lost without a word holds its place in a barrier no longer than the keepalive', async () => {
  const sampler = await TestSampler.start({ keepaliveSeconds: 1 })
  const proxy = await startSilentProxy(sampler.address)
  const lost = new SamplerStubs(proxy.address)
  try {
    await sampler.createRun('silent', { sampleCount: 10 })
    lost.openPlan({ runId: 'silent', rank: 1, worldSize: 4 }).on('error', () => {})
    await lost.getRun('silent') // Calls of a connection arrive in order: the ask is there.
    const asWaiting = sampler.openPlan({ runId: 'silent', worldSize: 1 })
    await expect(once(asWaiting, 'data')).rejects.toMatchObject({
      details: expect.stringContaining('other ranks wait'),
    })
    proxy.fallSilent()
    // Another world size is refused for as long as the lost rank waits.
    for (;;) {
      try {
        expect((await sampler.plan({ runId: 'silent', worldSize: 1 }, serverDeadline(5000))).indices).toHaveLength(10)
        break
      } catch (error) {
        expect((error as Error).message).toContain('other ranks wait')
      }
    }
  } finally {
    proxy.stop()
    lost.close()
    await sampler.stop()
  }
})
