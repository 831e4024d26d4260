import { type PlanChunk, type PlanEpochRequest, type PlanEpochResponse, SamplerServiceService } from '@keepset/proto'
import { RetryBudget } from './backoff.js'
import { type Connection, wait } from './connection.js'
import { decodeError, type RpcStatus } from './decode-error.js'
import { decodePlanPart } from './decode-plan-part.js'
import { AbortedError, DeadlineError, InternalError, KeepsetError } from './errors.js'
import { planFromWire } from './mapping.js'
import { openStream, retrying } from './open-stream.js'
import type { PlanFacts } from './plan.js'
import type { PackedPiece } from './plan-positions.js'
import { delayBeforeRetry } from './retry.js'

/** How much later than the sampler we give up a wait: its answer names the ranks that are missing, ours cannot. */
const ANSWER_MS = 2_000

const MAX_U32 = 0xffffffff

/** A plan whose header has come; its chunks are still on the way. */
export interface OpenPlan {
  readonly facts: PlanFacts
  readonly parts: AsyncIterator<PlanEpochResponse>
  cancel(): void
}

/**
 * Asks for a plan and waits for its header, again while the sampler cannot be reached, for `timeoutMs` in all. The time ends
 * with the header: the chunks come as slowly as the trainer takes them. So it is not a deadline of the call but a field of the
 * request, and where the sampler does not answer, a timer here. It may be Infinity.
 */
export async function openPlan(
  connection: Connection,
  request: PlanEpochRequest,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<OpenPlan> {
  return retrying(connection, timeoutMs, signal, (leftMs) => startPlan(connection, request, leftMs, signal))
}

async function startPlan(
  connection: Connection,
  request: PlanEpochRequest,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<OpenPlan> {
  const maxWaitMs = Math.max(0, Math.ceil(timeoutMs))
  // What the field cannot say, without end or months, is left to the timer alone.
  const { path, requestSerialize } = SamplerServiceService.planEpoch
  const asked = maxWaitMs <= MAX_U32 ? { ...request, maxWaitMs } : request
  const stream = connection.sampler.makeServerStreamRequest(path, requestSerialize, decodePlanPart, asked)
  const isLate = (cause: unknown) => late(request, timeoutMs, cause)
  const { first, messages, cancel } = await openStream(connection, stream, timeoutMs + ANSWER_MS, signal, isLate)
  try {
    if (first.done || first.value.part?.$case !== 'header') throw garbled('began without a header')
    return { facts: planFromWire(request, first.value.part.value), parts: messages, cancel }
  } catch (error) {
    cancel()
    throw error
  }
}

/**
 * The indices of a plan from `request.startPosition` on, with their weights where it has any, packed in pieces as they come. A stream that breaks is
 * opened again at the position reached, and goes on only if it is the same plan: no index is lost and none comes twice.
 */
export async function* readPlan(
  connection: Connection,
  request: PlanEpochRequest,
  opened: OpenPlan,
  signal: AbortSignal,
): AsyncGenerator<PackedPiece, void, void> {
  const { giveUpAfterMs } = connection.settings
  const { facts } = opened
  const budget = new RetryBudget(connection.timing, giveUpAfterMs)
  let position = request.startPosition
  let plan = opened
  try {
    for (;;) {
      const part = await nextPart(plan, signal)
      if (part === 'end') {
        if (position < facts.positionCount) throw garbled(`ended at position ${position} of ${facts.positionCount}`)
        return
      }
      if ('chunk' in part) {
        const piece = checkChunk(part.chunk, position, facts)
        budget.progress()
        position += piece.sampleIndices.length / 4
        yield piece
        continue
      }
      if (position === facts.positionCount) return
      const delay = delayBeforeRetry(part.broken, budget)
      if (delay === undefined) throw decodeError(part.broken)
      await wait(connection.timing, delay, signal)
      plan = await openPlan(connection, { ...request, startPosition: position }, giveUpAfterMs, signal)
      checkSamePlan(facts, plan.facts)
    }
  } finally {
    plan.cancel()
  }
}

type Part = { readonly chunk: PlanChunk } | { readonly broken: RpcStatus } | 'end'

async function nextPart(plan: OpenPlan, signal: AbortSignal): Promise<Part> {
  signal.throwIfAborted() // Parts that have come already are there even so.
  try {
    const next = await plan.parts.next()
    if (next.done) return 'end'
    if (next.value.part?.$case !== 'chunk') throw garbled('holds a part that is no chunk')
    return { chunk: next.value.part.value }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof KeepsetError) throw error
    return { broken: error as RpcStatus }
  }
}

function checkChunk(chunk: PlanChunk, position: number, { positionCount, hasWeights }: PlanFacts): PackedPiece {
  const { startPosition, sampleIndices, weights } = chunk
  const count = sampleIndices.length / 4
  if (startPosition !== position || !Number.isInteger(count) || position + count > positionCount) {
    throw garbled(`holds ${sampleIndices.length} bytes for position ${startPosition} when ${position} was next`)
  }
  if (weights.length !== (hasWeights ? sampleIndices.length : 0)) {
    const plan = hasWeights ? 'a plan with weights' : 'a plan without weights'
    throw garbled(`holds ${weights.length} bytes of weights for ${count} indices of ${plan}`)
  }
  return chunk
}

function checkSamePlan(before: PlanFacts, now: PlanFacts): void {
  if (before.digest === now.digest && before.positionCount === now.positionCount) return
  throw new AbortedError('ABORTED', `The plan of epoch ${before.epoch} changed while it was read. Ask for it again.`, {
    reason: 'PLAN_CHANGED',
  })
}

function late(request: PlanEpochRequest, timeoutMs: number, cause: unknown): DeadlineError {
  const { epoch, rank } = request
  return new DeadlineError(
    'DEADLINE_EXCEEDED',
    `The sampler did not answer within ${Math.round(timeoutMs)} ms when it was asked for the plan of epoch ${epoch} for rank ${rank}. Look whether it is overloaded or cut off, or raise timeoutMs.`,
    { reason: 'NO_ANSWER', cause },
  )
}

function garbled(what: string): InternalError {
  return new InternalError(
    'INTERNAL',
    `The plan's stream ${what}. Use versions of the sampler and the client that fit.`,
    {
      reason: 'UNREADABLE_ANSWER',
    },
  )
}
