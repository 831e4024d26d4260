import type { ServiceDefinition } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { describe, expect, it, vi } from 'vitest'
import { addReflection } from './reflection.js'

vi.mock('@grpc/reflection', { spy: true })

describe('addReflection', () => {
  it('reads the proto files at the first question, once for both versions of the protocol', () => {
    const services: ServiceDefinition[] = []
    addReflection({ addService: (service) => services.push(service) })
    const methods = services.map(({ ServerReflectionInfo }) => ServerReflectionInfo)
    expect(methods.map((method) => method?.path)).toEqual([
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    ])
    expect(ReflectionService).not.toHaveBeenCalled()
    // Field 7, list_services: "*".
    const question = Buffer.from([0x3a, 1, 0x2a])
    for (const method of methods) expect(method?.requestDeserialize(question)).toMatchObject({ listServices: '*' })
    expect(ReflectionService).toHaveBeenCalledTimes(1)
  })
})
