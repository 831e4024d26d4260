import { createRequire } from 'node:module'
import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { credentials, makeClientConstructor, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HealthClient } from '../../support/health-client.js'
import { refused } from '../../support/refusal.js'
import { TestSampler } from '../../support/test-sampler.js'

let sampler: TestSampler
let health: HealthClient
beforeAll(async () => {
  sampler = await TestSampler.start()
  health = new HealthClient(sampler.address)
})
afterAll(async () => {
  health.close()
  await sampler.stop()
})

describe('grpc.health.v1', () => {
  test.each(['', 'keepset.v1.RunService', 'keepset.v1.SamplerService'])('Check says that "%s" serves', async (name) => {
    expect(await health.check(name)).toBe('SERVING')
  })

  test('Check does not know other services', async () => {
    expect((await refused(health.check('keepset.v1.Nothing'))).code).toBe('NOT_FOUND')
  })
})

describe('HTTP', () => {
  test.each(['/healthz', '/readyz'])('%s answers 200', async (path) => {
    expect((await fetch(`http://${sampler.sampler.addresses.http}${path}`)).status).toBe(200)
  })

  test('any other path answers 404', async () => {
    expect((await fetch(`http://${sampler.sampler.addresses.http}/nothing`)).status).toBe(404)
  })
})

describe('server reflection', () => {
  const proto = createRequire(import.meta.url)
    .resolve('@grpc/reflection/package.json')
    .replace('package.json', 'build/proto/grpc/reflection/v1/reflection.proto')
  const service = loadSync(proto, { keepCase: true })['grpc.reflection.v1.ServerReflection'] as ServiceDefinition
  const Reflection = makeClientConstructor(service, 'ServerReflection')

  /** One question to the reflection service. */
  async function reflect(question: object) {
    const client = new Reflection(sampler.address, credentials.createInsecure())
    const call = client.ServerReflectionInfo?.()
    const answer = await new Promise<{
      list_services_response?: { service: { name: string }[] }
      file_descriptor_response?: { file_descriptor_proto: Buffer[] }
      error_response?: { error_code: number }
    }>((resolve, reject) => {
      call.on('data', resolve).on('error', reject)
      call.write(question)
      call.end()
    })
    client.close()
    return answer
  }

  test('lists the services', async () => {
    const { list_services_response } = await reflect({ list_services: '' })
    const names = list_services_response?.service.map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['keepset.v1.RunService', 'keepset.v1.SamplerService', 'grpc.health.v1.Health']),
    )
  })

  test.each([
    ['keepset.v1.SamplerService', 'keepset.v1.SamplerService'],
    ['keepset.v1.RunService.CreateRun', 'keepset.v1.RunService'],
    ['keepset.v1.RunSpec', 'keepset.v1.RunSpec'],
    ['grpc.health.v1.HealthCheckResponse', 'grpc.health.v1.HealthCheckResponse'],
  ])('finds the files that %s needs', async (symbol, declared) => {
    const { file_descriptor_response } = await reflect({ file_containing_symbol: symbol })
    const files = (file_descriptor_response?.file_descriptor_proto ?? []).map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    )
    const names = files.flatMap((file) =>
      [...file.messageType, ...file.service].map(({ name }) => `${file.package}.${name}`),
    )
    expect(names).toContain(declared)
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(files.flatMap(({ dependency }) => dependency)))
  })

  test('says of an unknown symbol that it is not there', async () => {
    expect((await reflect({ file_containing_symbol: 'keepset.v1.Nothing' })).error_response?.error_code).toBe(5)
  })
})
