import {
  AbortedError,
  type Client,
  type ConnectOptions,
  connect,
  DeadlineError,
  InvalidArgumentError,
  KeepsetError,
  OutOfRangeError,
  PreconditionError,
  QueueFullError,
  ResourceExhaustedError,
  type Run,
  RunExistsError,
  RunNotFoundError,
  random,
  UnavailableError,
  ucb,
} from '@keepset/client'
import { type Sampler, startSampler } from '@keepset/sampler'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

let sampler: Sampler
const clients: Client[] = []

beforeAll(async () => {
  sampler = await startSampler({ store: 'memory', logLevel: 'silent' })
})

afterAll(async () => {
  await sampler.stop()
})

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

function open(options: ConnectOptions = {}, address = sampler.addresses.grpc): Client {
  const client = connect(address, options)
  clients.push(client)
  return client
}

const settings = { sampleCount: 40, policy: ucb(), pruneRate: 0.5, epochs: 4 }

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T, void, void> {
  yield* items
}

/** What a rejected promise or a throwing function was rejected with. */
async function errorOf(action: () => unknown): Promise<KeepsetError> {
  try {
    await action()
  } catch (error) {
    expect(error).toBeInstanceOf(KeepsetError)
    return error as KeepsetError
  }
  throw new Error('nothing was thrown')
}

describe('each cause has its class', () => {
  it('RunNotFoundError', async () => {
    const client = open()
    for (const action of [() => client.getRun('none'), () => client.openRun('none'), () => client.deleteRun('none')]) {
      const error = await errorOf(action)
      expect(error).toBeInstanceOf(RunNotFoundError)
      expect(error).toMatchObject({ name: 'RunNotFoundError', code: 'NOT_FOUND', reason: 'RUN_NOT_FOUND' })
      expect(error.message).toContain('"none"')
      expect(error.message).toContain('client.createRun()')
      expect(error.cause).toBeDefined()
    }
  })

  it('RunExistsError, while the same settings attach to the run', async () => {
    const client = open()
    await client.createRun({ runId: 'taken', ...settings })
    await client.createRun({ runId: 'taken', ...settings })
    const error = await errorOf(() => client.createRun({ runId: 'taken', ...settings, pruneRate: 0.4 }))
    expect(error).toBeInstanceOf(RunExistsError)
    expect(error.reason).toBe('RUN_EXISTS')
  })

  it('InvalidArgumentError, with every field that was refused', async () => {
    const error = await errorOf(() => open().createRun({ ...settings, pruneRate: 1.5, tailEpochs: 9 }))
    expect(error).toBeInstanceOf(InvalidArgumentError)
    expect(error.fieldViolations.map(({ field }) => field)).toContain('spec.prune_rate')
    expect(error.message).toContain('1.5')
  })

  it('InvalidArgumentError, for what does not fit the wire', async () => {
    for (const [wrong, field] of [
      [{ sampleCount: -1 }, 'spec.sample_count'],
      [{ epochs: 1.5 }, 'spec.total_epochs'],
      [{ seed: -1 }, 'spec.seed'],
      [{ seed: 2n ** 64n }, 'spec.seed'],
      [{ shardMode: 'fold' as 'pad' }, 'spec.shard_mode'],
    ] as const) {
      const error = await errorOf(() => open().createRun({ ...settings, ...wrong }))
      expect(error).toBeInstanceOf(InvalidArgumentError)
      expect(error.fieldViolations).toMatchObject([{ field }])
    }
  })

  it('PreconditionError for a wrong epoch', async () => {
    const run = await open().createRun(settings)
    const error = await errorOf(() => run.planEpoch(2))
    expect(error).toBeInstanceOf(PreconditionError)
    expect(error.reason).toBe('WRONG_EPOCH')
  })

  it('PreconditionError once a run is finished, by this object or another', async () => {
    const client = open()
    const run = await client.createRun(settings)
    const other = await client.openRun(run.runId)
    const plan = await run.planEpoch(0)
    await run.finish()
    expect(await run.finish()).toMatchObject({ state: 'finished' })
    for (const action of [
      () => run.planEpoch(1),
      () => other.planEpoch(1),
      () => plan.report(Uint32Array.of(0), [1]),
      () => run.flush(),
    ]) {
      const error = await errorOf(action)
      expect(error).toBeInstanceOf(PreconditionError)
      expect(error.reason).toBe('RUN_FINISHED')
    }
  })

  it('PreconditionError for a report of an epoch that is over; the run goes on', async () => {
    const run = await open().createRun(settings)
    const old = await run.planEpoch(0)
    const plan = await run.planEpoch(1)
    const error = await errorOf(() => old.report(Uint32Array.of(0), [1]))
    expect(error).toBeInstanceOf(PreconditionError)
    const [index = 0] = await plan.indices()
    plan.report(Uint32Array.of(index), [1])
    await run.flush()
  })

  it.each([undefined, null, 0.7])(
    'InvalidArgumentError for losses that are %s: a reduced loss, or a step that returns nothing',
    async (losses) => {
      const run = await open().createRun(settings)
      const plan = await run.planEpoch(0)
      const report = () => plan.report(Uint32Array.of(1), losses as unknown as Float32Array)
      expect(report).toThrow(InvalidArgumentError)
      expect(report).toThrow(/un-reduced loss of each of the 1 indices/)
    },
  )

  it('PreconditionError that says what to do when a finished run is begun again', async () => {
    const client = open()
    const run = await client.createRun(settings)
    await run.finish()
    const again = await client.openRun(run.runId)
    const error = await errorOf(() => again.planEpoch(0))
    expect(error).toBeInstanceOf(PreconditionError)
    expect(error.message).toContain('client.deleteRun()')
  })

  it('OutOfRangeError past the end of a plan', async () => {
    const run = await open().createRun(settings)
    const error = await errorOf(() => run.planEpoch(0, { startPosition: 41 }))
    expect(error).toBeInstanceOf(OutOfRangeError)
    expect((await (await run.planEpoch(0, { startPosition: 40 })).indices()).length).toBe(0)
  })

  it('DeadlineError when not all ranks ask for a plan', async () => {
    const run = await open().createRun(settings)
    const error = await errorOf(() => run.planEpoch(0, { rank: 1, worldSize: 2, timeoutMs: 50 }))
    expect(error).toBeInstanceOf(DeadlineError)
    expect(error).toMatchObject({
      reason: 'BARRIER_TIMEOUT',
      message: expect.stringContaining('rank 0 of 2 did not ask'),
    })
    const [first, second] = await Promise.all([0, 1].map((rank) => run.planEpoch(0, { rank, worldSize: 2 })))
    expect(first?.digest).toBe(second?.digest)
  })

  it('AbortedError when another call of the rank takes the place, which goes on', async () => {
    const client = open()
    const run = await client.createRun(settings)
    const [replaced, asking] = [run, await client.openRun(run.runId)]
    // One asks first: both are on one connection.
    const first = errorOf(() => replaced.planEpoch(0, { rank: 0, worldSize: 2 }))
    const second = asking.planEpoch(0, { rank: 0, worldSize: 2 })
    const error = await first
    expect(error).toBeInstanceOf(AbortedError)
    expect(error).toMatchObject({ code: 'ABORTED', reason: 'ASK_SUPERSEDED' })
    const other = await asking.planEpoch(0, { rank: 1, worldSize: 2 })
    expect((await second).digest).toBe(other.digest)
  })

  it('PreconditionError for a gap between reports, with the way out', async () => {
    const client = open()
    const run = await client.createRun(settings)
    const plan = await run.planEpoch(0)
    const older: Uint8Array[] = []
    for await (const piece of client.exportRun(run.runId)) older.push(piece)
    plan.report(await plan.indices(), new Float32Array(40))
    await run.flush()
    // The sampler's record is put back from a copy, and has not the report that it acknowledged.
    await client.deleteRun(run.runId)
    await client.importRun(streamOf(older))
    plan.report(await plan.indices(), new Float32Array(40))
    const error = await errorOf(() => run.flush())
    expect(error).toBeInstanceOf(PreconditionError)
    expect(error.reason).toBe('SEQUENCE_GAP')
    expect(error.message).toMatch(/sequence is 2, .* is 1; .*openRun\(\).*plan of the epoch again/)
    const again = await (await client.openRun(run.runId)).planEpoch(0)
    expect(again.appliedSequence).toBe(0)
  })

  it('UnavailableError when nobody listens', async () => {
    const gone = await startSampler({ store: 'memory', logLevel: 'silent' })
    await gone.stop()
    const error = await errorOf(() => open({ callTimeoutMs: 300 }, gone.addresses.grpc).getRun('any'))
    expect(error).toBeInstanceOf(UnavailableError)
    expect(error.message).toContain('keepset serve')
  })

  it('PreconditionError once the client is closed', async () => {
    const client = open()
    const run = await client.createRun(settings)
    const plan = await run.planEpoch(0)
    client.close()
    for (const action of [
      () => client.getRun('any'),
      () => run.planEpoch(1),
      () => run.flush(),
      () => plan.report(Uint32Array.of(0), [1]),
      () => plan.indices(),
    ]) {
      const error = await errorOf(action)
      expect(error).toBeInstanceOf(PreconditionError)
      expect(error.reason).toBe('CLIENT_CLOSED')
    }
  })
})

describe('limits of the sampler', () => {
  let small: Sampler

  beforeAll(async () => {
    small = await startSampler({
      store: 'memory',
      logLevel: 'silent',
      maxRuns: 2,
      maxSamples: 1_000,
      maxMessageBytes: 2_048,
    })
  })

  afterAll(async () => {
    await small.stop()
  })

  it('ResourceExhaustedError for too many runs, with the time to wait', async () => {
    const client = open({}, small.addresses.grpc)
    const runs = [await client.createRun(settings), await client.createRun(settings)]
    const error = await errorOf(() => client.createRun(settings))
    expect(error).toBeInstanceOf(ResourceExhaustedError)
    expect(error.retryDelayMs).toBeGreaterThan(0)
    for (const { runId } of runs) await client.deleteRun(runId)
  })

  it('ResourceExhaustedError for too many samples', async () => {
    const error = await errorOf(() => open({}, small.addresses.grpc).createRun({ ...settings, sampleCount: 1_001 }))
    expect(error).toBeInstanceOf(ResourceExhaustedError)
  })

  it('ResourceExhaustedError for a report that is too large', async () => {
    const client = open({}, small.addresses.grpc)
    const run = await client.createRun({ ...settings, sampleCount: 1_000 })
    const plan = await run.planEpoch(0)
    const indices = await plan.indices()
    plan.report(indices, new Float32Array(indices.length))
    expect(await errorOf(() => run.flush())).toBeInstanceOf(ResourceExhaustedError)
    await client.deleteRun(run.runId)
  })
})

describe('a failure of the reports', () => {
  async function failedRun(report: (plan: Awaited<ReturnType<Run['planEpoch']>>, client: Client) => unknown) {
    const client = open()
    const run = await client.createRun({ ...settings, nonFinite: 'reject' })
    const plan = await run.planEpoch(0)
    await report(plan, client)
    return { run, plan, error: await errorOf(() => run.flush()) }
  }

  it('is thrown by everything that comes after, the same each time', async () => {
    const { run, plan, error } = await failedRun((plan) => plan.report(Uint32Array.of(40), [1]))
    expect(error).toBeInstanceOf(InvalidArgumentError)
    expect(error.message).toContain('40')
    for (const action of [
      () => plan.report(Uint32Array.of(0), [1]),
      () => plan.batches(8).next(),
      () => run.planEpoch(1),
      () => run.flush(),
      () => run.room(),
      () => run.finish(),
    ]) {
      expect(await errorOf(action)).toBe(error)
    }
    expect((await run.info()).progress.reports).toBe(0)
  })

  it('ends a loop over batches', async () => {
    const client = open({ reportQueueLimit: 1 })
    const run = await client.createRun(settings)
    const plan = await run.planEpoch(0)
    const error = await errorOf(async () => {
      for await (const _ of plan.batches(4)) plan.report(Uint32Array.of(99), [1])
    })
    expect(error).toBeInstanceOf(InvalidArgumentError)
  })

  it('is typed by its cause', async () => {
    const notFinite = await failedRun((plan) => plan.report(Uint32Array.of(3), [Number.NaN]))
    expect(notFinite.error).toBeInstanceOf(InvalidArgumentError)
    const deleted = await failedRun(async (plan, client) => {
      for await (const { runId } of client.listRuns()) await client.deleteRun(runId)
      plan.report(Uint32Array.of(3), [1])
    })
    expect(deleted.error).toBeInstanceOf(RunNotFoundError)
  })

  it('leaves other runs of the client alone', async () => {
    const client = open()
    const [bad, good] = [await client.createRun(settings), await client.createRun(settings)]
    const [badPlan, goodPlan] = [await bad.planEpoch(0), await good.planEpoch(0)]
    badPlan.report(Uint32Array.of(1_000), [1])
    await errorOf(() => bad.flush())
    goodPlan.report(Uint32Array.of(1), [1])
    expect((await good.finish()).progress.reports).toBe(1)
  })

  it('wakes a rank that waits for others of the same object', async () => {
    const run = await open().createRun(settings)
    const [first] = await Promise.all([0, 1].map((rank) => run.planEpoch(0, { rank, worldSize: 2 })))
    const waiting = errorOf(() => run.planEpoch(1, { rank: 1, worldSize: 2 }))
    first?.report(Uint32Array.of(77), [1])
    expect(await waiting).toBeInstanceOf(InvalidArgumentError)
  })

  it('comes when the sampler stays away', async () => {
    const dying = await startSampler({ store: 'memory', logLevel: 'silent', drainSeconds: 1 })
    const run = await open({ giveUpAfterMs: 300 }, dying.addresses.grpc).createRun(settings)
    const plan = await run.planEpoch(0)
    await dying.stop()
    plan.report(Uint32Array.of(1), [1])
    const error = await errorOf(() => run.flush())
    expect(error).toBeInstanceOf(UnavailableError)
    expect(await errorOf(() => run.finish())).toBe(error)
  })
})

describe('reports that are refused at once', () => {
  it('for lengths that differ, or nothing in them', async () => {
    const run = await open().createRun(settings)
    const plan = await run.planEpoch(0)
    for (const action of [
      () => plan.report(Uint32Array.of(1, 2), [1]),
      () => plan.report({ indices: Uint32Array.of() }, []),
      () => plan.batches(0),
    ]) {
      expect(await errorOf(action)).toBeInstanceOf(InvalidArgumentError)
    }
    plan.report(Uint32Array.of(1), [1])
    expect((await run.finish()).progress.reports).toBe(1)
  })

  it('never where ranks of one object train in lock-step, however small the queue', async () => {
    const run = await open({ reportQueueLimit: 1 }).createRun(settings)
    const plans = await Promise.all([0, 1, 2].map((rank) => run.planEpoch(0, { rank, worldSize: 3 })))
    const loops = plans.map((plan) => ({ plan, batches: plan.batches(3) }))
    for (let step = 0; step < 5; step++) {
      // No rank reports before all have their batch, as if they averaged gradients.
      const batches = await Promise.all(loops.map(({ batches }) => batches.next()))
      for (const [rank, { value }] of batches.entries()) if (value) loops[rank]?.plan.report(value, value.indices)
    }
    expect((await run.finish()).progress).toMatchObject({ reports: 15, observations: 40 })
  })

  it('QueueFullError when the caller does not wait for room; nothing is lost', async () => {
    const run = await open({ reportQueueLimit: 3 }).createRun({ ...settings, policy: random() })
    const plan = await run.planEpoch(0)
    const indices = await plan.indices()
    let refused = 0
    for (const index of indices) {
      try {
        plan.report(Uint32Array.of(index), [1])
      } catch (error) {
        expect(error).toBeInstanceOf(QueueFullError)
        refused++
        await run.room()
        plan.report(Uint32Array.of(index), [1])
      }
    }
    expect(refused).toBeGreaterThan(0)
    expect((await run.finish()).progress).toMatchObject({ reports: 40, observations: 40 })
  })

  it('never in a loop over batches, however small the queue', async () => {
    const run = await open({ reportQueueLimit: 1 }).createRun(settings)
    const ranks = await Promise.all([0, 1, 2].map((rank) => run.planEpoch(0, { rank, worldSize: 3 })))
    await Promise.all(
      ranks.map(async (plan) => {
        for await (const batch of plan.batches(3)) plan.report(batch, batch.indices)
      }),
    )
    expect((await run.finish()).progress).toMatchObject({ reports: 15, observations: 40 })
  })
})
