import { fastify } from 'fastify'

/** The HTTP side of a sampler: whether it lives, and whether it takes calls. */
export interface WebServer {
  /** The bound host:port. */
  readonly address: string
  stop(): Promise<void>
}

/** Binds and serves /healthz (200 while the process lives) and /readyz (503 once `drain` aborts). Rejects if the address cannot be bound. */
export async function startWebServer(listen: string, drain: AbortSignal): Promise<WebServer> {
  const server = fastify()
  server.get('/healthz', async () => ({ status: 'ok' }))
  server.get('/readyz', async (_, reply) =>
    drain.aborted ? reply.code(503).send({ status: 'draining' }) : { status: 'ready' },
  )
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '')
  const url = await server.listen({ host, port: Number(listen.slice(colon + 1)) }).catch((error: Error) => {
    throw new Error(
      `cannot listen on ${listen} (--http): ${error.message}; another sampler may run there, give another address`,
      { cause: error },
    )
  })
  return { address: `${listen.slice(0, colon)}:${new URL(url).port}`, stop: () => server.close() }
}
