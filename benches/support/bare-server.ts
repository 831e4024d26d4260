/**
 * What the sampler's calls are compared with: a server in a process of its own that does nothing with what it gets. It
 * writes its addresses to stdout as a line of JSON, and ends with its input.
 *
 * - gRPC `/bench/Plan`: answers a request of two u32, a number of bytes and a chunk's size, with so many bytes in chunks.
 * - gRPC `/bench/Reports`: answers each message with one of ANSWER_BYTES.
 * - gRPC `/bench/Echo`: answers each message with itself.
 * - TCP: answers each message, a u32 with its length before it, with ANSWER_BYTES.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Server, ServerCredentials, type ServerDuplexStream, type ServerWritableStream } from '@grpc/grpc-js'
import { ANSWER_BYTES, bareMethods } from './bare-methods.js'

const answer = Buffer.alloc(ANSWER_BYTES, 1)

async function plan(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
  const [bytes, chunkBytes] = [call.request.readUInt32LE(0), call.request.readUInt32LE(4)]
  const chunk = Buffer.alloc(chunkBytes, 1)
  for (let left = bytes; left > 0; left -= chunkBytes) {
    if (!call.write(chunk.subarray(0, left))) await once(call, 'drain')
  }
  call.end()
}

function reports(call: ServerDuplexStream<Buffer, Buffer>): void {
  call.on('data', () => call.write(answer))
  call.on('end', () => call.end())
}

function echo(call: ServerDuplexStream<Buffer, Buffer>): void {
  call.on('data', (message: Buffer) => call.write(message))
  call.on('end', () => call.end())
}

const grpc = new Server({ 'grpc.max_receive_message_length': -1 })
grpc.addService(bareMethods, { plan, reports, echo })
const port = await new Promise<number>((resolve, reject) => {
  const credentials = ServerCredentials.createInsecure()
  grpc.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
})

const tcp = createServer((socket) => {
  let waiting = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('data', (bytes) => {
    waiting = waiting.length > 0 ? Buffer.concat([waiting, bytes]) : bytes
    while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32LE(0)) {
      waiting = waiting.subarray(4 + waiting.readUInt32LE(0))
      socket.write(answer)
    }
  })
  socket.on('error', () => undefined)
})
tcp.listen(0, '127.0.0.1', () => {
  const { port: tcpPort } = tcp.address() as { port: number }
  console.log(JSON.stringify({ grpc: `127.0.0.1:${port}`, tcpPort }))
})
process.stdin.resume().on('end', () => process.exit(0))
