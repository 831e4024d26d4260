import type { MethodDefinition } from '@grpc/grpc-js'

/** Bytes of an answer to a report: as many as an acknowledgement has. */
export const ANSWER_BYTES = 32

const asIs = (bytes: Buffer) => bytes
const method = (path: string, requestStream: boolean): MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
})

/** The calls of the bare server, of bytes as they are. */
export const bareMethods = {
  plan: method('/bench/Plan', false),
  reports: method('/bench/Reports', true),
  echo: method('/bench/Echo', true),
}
