import { Client, credentials } from '@grpc/grpc-js'
import { connect, full, type Run } from '@keepset/client'
import { SamplerStubs } from '../../test/support/test-sampler.js'
import { bareMethods } from '../support/bare-methods.js'
import { BareProcess } from '../support/bare-process.js'
import type { Bench, BenchOutcome, BenchSettings } from '../support/bench.js'
import { byTurns, ratios, timed } from '../support/by-turns.js'
import { bundleService, ServiceProcess } from '../support/service-process.js'
import { showSpread } from '../support/summary.js'
import { short, table } from '../support/table.js'

const SIZES = [640_000, 7_000_000]
/** As the sampler's: 249,856 indices, and the fields around them. */
const CHUNK_BYTES = 4 * 0x3d000 + 13
/** As the client's. */
const channel = { 'grpc-node.flow_control_window': 8 * 1024 * 1024, 'grpc.enable_http_proxy': 0 }

interface Row {
  readonly indices: number
  /** Milliseconds of each round. */
  readonly client: readonly number[]
  readonly bare: readonly number[]
}

/** Reads the part of one rank of two. */
async function readPlan(run: Run, indices: number): Promise<void> {
  const plan = await run.planEpoch(0, { rank: 0, worldSize: 2 })
  if ((await plan.indices()).length !== indices) throw new Error('the plan is too short')
}

/**
 * Asks for the part of the other rank, and does not read it: the sampler keeps the order of a plan while a rank is without its part, so that
 * it is not made again each time. Returns what lets go of it.
 */
function holdPlan(stubs: SamplerStubs, { runId }: Run): () => void {
  const call = stubs.openPlan({ runId, epoch: 0, rank: 1, worldSize: 2 })
  call.on('error', () => undefined) // That of the cancelling.
  return () => call.cancel()
}

function readBytes(client: Client, bytes: number): Promise<void> {
  const { path, requestSerialize, responseDeserialize } = bareMethods.plan
  const request = Buffer.alloc(8)
  request.writeUInt32LE(bytes, 0)
  request.writeUInt32LE(CHUNK_BYTES, 4)
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
  let read = 0
  call.on('data', (chunk: Buffer) => {
    read += chunk.length
  })
  return new Promise((resolve, reject) => {
    call.on('error', reject)
    call.on('end', () => (read === bytes ? resolve() : reject(new Error(`${read} of ${bytes} bytes came`))))
  })
}

/** How fast a plan comes to a trainer that reads all of it. */
export const plans: Bench = {
  name: 'plans',
  description: "a plan's indices from a sampler to the Node client, against a bare stream of as many bytes",
  goal: 'at 7 M indices at most 1.43 times the bare stream',
  async run({ rounds, sizes: given, quick, dataDir }: BenchSettings): Promise<BenchOutcome> {
    const sizes = given ?? (quick ? [10_000] : SIZES)
    const service = await ServiceProcess.start(await bundleService(dataDir))
    const bare = await BareProcess.start()
    const bareClient = new Client(bare.address, credentials.createInsecure(), channel)
    const client = connect(service.address)
    const stubs = new SamplerStubs(service.address)
    const rows: Row[] = []
    try {
      for (const indices of sizes) {
        const run = await client.createRun({ sampleCount: 2 * indices, policy: full() })
        const letGo = holdPlan(stubs, run)
        const measured = await byTurns(rounds, {
          client: () => timed(() => readPlan(run, indices)),
          bare: () => timed(() => readBytes(bareClient, 4 * indices)),
        })
        letGo()
        rows.push({ indices, ...measured })
      }
    } finally {
      client.close()
      stubs.close()
      bareClient.close()
      await bare.stop()
      await service.stop()
    }
    const head = ['indices', 'client, ms', 'bare stream, ms', 'ratio', 'client, ns/index']
    const body = rows.map(({ indices, client, bare }) => [
      short(indices),
      showSpread(client),
      showSpread(bare),
      showSpread(ratios(client, bare)),
      showSpread(client.map((ms) => (ms * 1e6) / indices)),
    ])
    return { constants: { sizes, chunkBytes: CHUNK_BYTES }, measured: rows, text: table(head, body) }
  },
}
