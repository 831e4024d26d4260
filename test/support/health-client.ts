import { type Client, type ClientReadableStream, credentials, makeClientConstructor } from '@grpc/grpc-js'
import { service } from 'grpc-health-check'
import { ask } from './calls.js'

/** What grpc.health.v1 answers. */
export interface HealthAnswer {
  readonly status: string
}

/** A client of grpc.health.v1. */
export class HealthClient {
  readonly #client: Client

  constructor(address: string) {
    const options = { 'grpc.use_local_subchannel_pool': 1 }
    this.#client = new (makeClientConstructor(service, 'Health'))(address, credentials.createInsecure(), options)
  }

  async check(name: string): Promise<string> {
    const { Check } = service
    if (!Check) throw new Error('grpc.health.v1 has no Check')
    return ((await ask(this.#client, Check, { service: name })) as HealthAnswer).status
  }

  watch(name: string): ClientReadableStream<HealthAnswer> {
    const { Watch } = service
    if (!Watch) throw new Error('grpc.health.v1 has no Watch')
    const read = (bytes: Buffer) => Watch.responseDeserialize(bytes) as HealthAnswer
    return this.#client.makeServerStreamRequest(Watch.path, Watch.requestSerialize, read, { service: name })
  }

  close(): void {
    this.#client.close()
  }
}
