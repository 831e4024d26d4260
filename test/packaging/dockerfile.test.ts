import { existsSync, readFileSync } from 'node:fs'
import type { Copy } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import { describe, expect, it } from 'vitest'
import { argumentsOf, commandOf, dockerfile, environmentOf, readStages, root } from './image.js'

const stages = readStages()
const stage = (name: string) => {
  const found = stages.find((stage) => stage.name === name)
  if (!found) throw new Error(`no stage ${name}`)
  return found
}
const ignored = readFileSync(`${root}.dockerignore`, 'utf8').split('\n')

describe('Dockerfile', () => {
  it('is valid', () => {
    expect(validate(dockerfile)).toEqual([])
  })

  it('makes the sampler where no target is named', () => {
    expect(stages.at(-1)?.name).toBe('sampler')
  })

  it('starts every stage from Node on glibc or from a stage before it', () => {
    for (const [position, { base }] of stages.entries()) {
      const before = stages.slice(0, position).map(({ name }) => name)
      expect(['node:24-bookworm-slim', ...before]).toContain(base)
    }
  })

  it('copies only what is there, from the repository or from a stage before', () => {
    for (const [position, { instructions }] of stages.entries()) {
      const before = stages.slice(0, position).map(({ name }) => name)
      for (const instruction of instructions.filter((instruction) => instruction.getKeyword() === 'COPY')) {
        const copy = instruction as Copy
        const from = copy.getFromFlag()?.getValue()
        const sources = copy.getArguments().slice(0, -1)
        expect(sources).not.toEqual([])
        if (from) expect(before).toContain(from)
        else for (const source of sources) expect(existsSync(`${root}${source.getValue()}`), `${source}`).toBe(true)
      }
    }
  })

  it('sends no build and no installed package to the engine', () => {
    expect(ignored).toEqual(expect.arrayContaining(['**/node_modules', '**/dist', '.cache', '.git']))
  })

  it.each(['sampler', 'trainer'])('%s is not root and gets signals itself', (name) => {
    expect(argumentsOf(stage(name), 'USER')).toEqual(['node'])
    expect(commandOf(stage(name), 'ENTRYPOINT')[0]).toBe('node')
    const steps = stage(name).instructions.map((instruction) => instruction.getKeyword())
    expect(steps.slice(steps.indexOf('USER'))).not.toContain('RUN')
  })

  it('makes the sampler reachable and checks its health', () => {
    const { KEEPSET_LISTEN, KEEPSET_HTTP } = environmentOf(stage('sampler'))
    expect([KEEPSET_LISTEN, KEEPSET_HTTP]).toEqual(['0.0.0.0:50051', '0.0.0.0:8350'])
    expect(argumentsOf(stage('sampler'), 'EXPOSE')).toEqual(['50051', '8350'])
    expect(commandOf(stage('sampler'), 'HEALTHCHECK').join(' ')).toContain('/readyz')
  })

  it('keeps runs in a volume that the sampler may write to', () => {
    const sampler = stage('sampler')
    const { KEEPSET_DATA_DIR, KEEPSET_STORE = 'file' } = environmentOf(sampler)
    expect([KEEPSET_STORE, KEEPSET_DATA_DIR]).toEqual(['file', '/data'])
    expect(argumentsOf(sampler, 'VOLUME')).toEqual(['/data'])
    const steps = sampler.instructions.map((instruction) => instruction.toString())
    const made = steps.findIndex((step) => /^RUN install --directory --owner=node --group=node \/data$/.test(step))
    // What is made after VOLUME is not in the image, and what is made after USER is not root's to give away.
    expect(made).toBeGreaterThanOrEqual(0)
    expect(made).toBeLessThan(steps.indexOf('VOLUME /data'))
  })

  it('keeps TensorFlow out of the sampler', () => {
    const { instructions } = stage('sampler')
    const text = [...instructions, ...stage('sampler-files').instructions].map((one) => one.getRawArgumentsContent())
    expect(text.join('\n')).toContain('assemble.mjs sampler')
    expect(text.join('\n')).not.toMatch(/tensorflow|trainer/i)
  })
})
