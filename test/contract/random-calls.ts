import fc from 'fast-check'

const runId = fc.constantFrom<string[]>('run', 'RUN')
/** How far the epoch of a snapshot is from the next: mostly 0; below that it is a rewind. */
const epochStep = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(-1, -2, -4) },
  { weight: 1, arbitrary: fc.constant(undefined) },
)
const text = fc.string({ maxLength: 40 })

const call = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      call: fc.constant('create' as const),
      runId,
      snapshots: fc.array(fc.record({ epochStep: fc.constantFrom(0, 0, undefined), text }), {
        minLength: 1,
        maxLength: 4,
      }),
      breaks: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      call: fc.constant('append' as const),
      runId,
      events: fc.array(fc.constantFrom('planned', 'reported', 'finished'), { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      call: fc.constant('save' as const),
      runId,
      epochStep,
      text,
      pieceLength: fc.integer({ min: 1, max: 20 }),
      /** Events appended before the image is read, and between its pieces. */
      beside: fc.integer({ min: 0, max: 4 }),
      breaks: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      call: fc.constant('open' as const),
      runId,
      /** Saves a snapshot when so many events were read. */
      saveAt: fc.option(fc.nat(4), { nil: undefined }),
      epochStep,
    }),
  },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('release' as const), runId }) },
  { weight: 2, arbitrary: fc.record({ call: fc.constant('writeStale' as const), runId }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('remove' as const), runId }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('glance' as const), runId }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('list' as const) }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('readEpochStarts' as const), runId }) },
  {
    weight: 1,
    arbitrary: fc.record({
      call: fc.constant('restart' as const),
      end: fc.constantFrom('close' as const, 'crash' as const),
    }),
  },
)

/** Sequences of calls at a store that keeps so many epoch starts. */
export const calls = fc.record({
  epochStarts: fc.constantFrom(3, 3, 1, 2, 0),
  sequence: fc.array(call, { minLength: 5, maxLength: 60, size: 'max' }),
})

export type Call = typeof call extends fc.Arbitrary<infer T> ? T : never
