import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MethodDefinition, Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { protoPath as healthProto } from 'grpc-health-check'

/** Versions of the protocol; each has one service with one method. */
const VERSIONS = ['v1', 'v1alpha']
const METHOD = 'ServerReflectionInfo'

interface LoadedService {
  readonly method: MethodDefinition<unknown, unknown>
  readonly answer: UntypedServiceImplementation[string]
}

/**
 * Server reflection, so that tools like grpcurl need no proto files. Reads the proto files of @keepset/proto at the first question: that takes a fifth of what a
 * sampler needs to start, and trainers never ask.
 */
export function addReflection(server: Pick<Server, 'addService'>): void {
  let loaded: ReadonlyMap<string, LoadedService> | undefined
  for (const version of VERSIONS) {
    const path = `/grpc.reflection.${version}.ServerReflection/${METHOD}`
    const service = (): LoadedService => {
      loaded ??= loadReflection()
      return loaded.get(path) as LoadedService
    }
    const method: MethodDefinition<unknown, unknown> = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: (value) => service().method.requestSerialize(value),
      requestDeserialize: (bytes) => service().method.requestDeserialize(bytes),
      responseSerialize: (value) => service().method.responseSerialize(value),
      responseDeserialize: (bytes) => service().method.responseDeserialize(bytes),
    }
    const answer = (call: unknown) => (service().answer as (call: unknown) => void)(call)
    server.addService({ [METHOD]: method }, { [METHOD]: answer })
  }
}

/** The services as their package makes them, by the path of their method. */
function loadReflection(): ReadonlyMap<string, LoadedService> {
  const root = dirname(fileURLToPath(import.meta.resolve('@keepset/proto/package.json')))
  const files = ['run_service', 'sampler_service'].map((name) => join(root, 'keepset', 'v1', `${name}.proto`))
  const services = new Map<string, LoadedService>()
  const collector: Pick<Server, 'addService'> = {
    addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation) {
      const method = definition[METHOD] as MethodDefinition<unknown, unknown>
      services.set(method.path, { method, answer: implementation[METHOD] as UntypedServiceImplementation[string] })
    },
  }
  new ReflectionService(loadSync([...files, healthProto], { includeDirs: [root] })).addToServer(collector)
  return services
}
