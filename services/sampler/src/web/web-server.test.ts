import { afterEach, expect, test } from 'vitest'
import { startWebServer, type WebServer } from './web-server.js'

const servers: WebServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

async function start(listen: string, drain: AbortSignal = new AbortController().signal): Promise<WebServer> {
  const server = await startWebServer(listen, drain)
  servers.push(server)
  return server
}

async function get(server: WebServer, path: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://${server.address}${path}`)
  return { status: response.status, body: await response.json() }
}

test.each(['127.0.0.1:0', 'localhost:0', '[::1]:0'])('binds %s and gives the port that it got', async (listen) => {
  const server = await start(listen)
  expect(server.address).toMatch(/:[1-9]\d*$/)
  expect(server.address.slice(0, listen.length - 1)).toBe(listen.slice(0, -1))
  expect(await get(server, '/healthz')).toEqual({ status: 200, body: { status: 'ok' } })
})

test('/readyz says 503 from the drain on, /healthz goes on', async () => {
  const drain = new AbortController()
  const server = await start('127.0.0.1:0', drain.signal)
  expect(await get(server, '/readyz')).toEqual({ status: 200, body: { status: 'ready' } })
  drain.abort()
  expect(await get(server, '/readyz')).toEqual({ status: 503, body: { status: 'draining' } })
  expect((await get(server, '/healthz')).status).toBe(200)
})

test('says which address it cannot have, and the flag', async () => {
  const { address } = await start('127.0.0.1:0')
  await expect(start(address)).rejects.toThrow(`cannot listen on ${address} (--http)`)
})

test('stops while a client keeps its connection open', async () => {
  const server = await start('127.0.0.1:0')
  await get(server, '/healthz')
  await servers.splice(0)[0]?.stop()
  await expect(get(server, '/healthz')).rejects.toThrow()
})
