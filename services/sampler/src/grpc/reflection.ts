import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Server } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { protoPath as healthProto } from 'grpc-health-check'

/** Server reflection, so that tools like grpcurl need no proto files. Reads the proto files of @keepset/proto once. */
export function addReflection(server: Server): void {
  const root = dirname(fileURLToPath(import.meta.resolve('@keepset/proto/package.json')))
  const files = ['run_service', 'sampler_service'].map((name) => join(root, 'keepset', 'v1', `${name}.proto`))
  new ReflectionService(loadSync([...files, healthProto], { includeDirs: [root] })).addToServer(server)
}
