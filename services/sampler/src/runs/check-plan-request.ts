import { isEverything, ruleOfEpoch } from '../core/plans/epoch-rule.js'
import { positionCount } from '../core/plans/sharding.js'
import { countIsOwn } from '../core/policies/registry.js'
import type { KeptSet } from '../core/selection/kept-set.js'
import { checkGeneration } from './check-generation.js'
import type { Plan } from './plan.js'
import { MAX_WORLD_SIZE, type Run } from './run.js'
import { invalidField, RunError } from './run-error.js'

/** A rank's wish for the plan of an epoch. */
export interface PlanRequest {
  /** The life of the run that the sender knows; 0 = not stated. */
  readonly generation: number
  readonly epoch: number
  readonly rank: number
  readonly worldSize: number
  /** Reports that the rank sent for the epoch before; 0 = none. */
  readonly lastSequence: number
  /** Position at which the answer is to start. */
  readonly startPosition: number
}

export function worldSizeMismatch(worldSize: number, but: string): RunError {
  const message = `world_size is ${worldSize}, but ${but}; all ranks of an epoch must say the same`
  return new RunError('WORLD_SIZE_MISMATCH', 'world_size', message)
}

function wrongEpoch(run: Run, message: string): RunError {
  return new RunError('WRONG_EPOCH', run.runId, message)
}

function checkEpoch(run: Run, epoch: number): void {
  const { totalEpochs } = run.spec
  if (totalEpochs !== undefined && epoch >= totalEpochs) {
    throw wrongEpoch(
      run,
      `epoch is ${epoch}, but the run has total_epochs ${totalEpochs}: epochs 0 to ${totalEpochs - 1}`,
    )
  }
  if (epoch === run.nextEpoch || epoch === run.plan?.epoch) return
  const expected = run.plan ? `${run.plan.epoch} or ${run.nextEpoch}` : `${run.nextEpoch}`
  throw wrongEpoch(run, `epoch is ${epoch}, but the run can plan epoch ${expected} now`)
}

function checkRank({ rank, worldSize }: PlanRequest): void {
  if (worldSize < 1 || worldSize > MAX_WORLD_SIZE) {
    throw invalidField('world_size', `world_size is ${worldSize}; it must be from 1 to ${MAX_WORLD_SIZE}`)
  }
  if (rank >= worldSize) {
    throw invalidField('rank', `rank is ${rank}; it must be below world_size ${worldSize}`)
  }
}

function checkLastSequence(run: Run, { epoch, rank, lastSequence }: PlanRequest): void {
  if (lastSequence === 0 || epoch !== run.nextEpoch) return
  const previousRanks = run.plan?.sharding.worldSize ?? 0
  if (rank < previousRanks) return
  const why = run.plan ? `epoch ${run.plan.epoch} had ranks 0 to ${previousRanks - 1}` : 'there is no epoch before'
  throw invalidField('last_sequence', `last_sequence is ${lastSequence} for rank ${rank}, but ${why}; leave it at 0`)
}

/** Throws unless the world size gives every rank a position, and the answer can start where it is to. */
function checkPositions(
  run: Run,
  keptCount: number,
  { epoch, worldSize, startPosition }: Pick<PlanRequest, 'epoch' | 'worldSize' | 'startPosition'>,
): void {
  const { shardMode, positionMultiple } = run.spec
  const positions = positionCount(keptCount, { worldSize, shardMode, positionMultiple })
  if (positions === 0) {
    const needed = shardMode === 'drop' ? `position_multiple ${positionMultiple}` : 'a sample of its own'
    const { name } = run.spec.policy
    const isOwn = countIsOwn(run.spec.policy, ruleOfEpoch(run.spec, epoch).pruneRate)
    const remedy = isOwn ? `use fewer ranks, or other settings of ${name}` : 'use fewer ranks or a lower prune rate'
    const message = `world_size is ${worldSize}, but ${keptCount} samples kept in epoch ${epoch} do not give each rank ${needed}; ${remedy}`
    throw invalidField('world_size', message)
  }
  if (startPosition > positions) {
    const message = `start_position is ${startPosition}, but a rank has ${positions} positions in epoch ${epoch}`
    throw new RunError('POSITION_OUT_OF_RANGE', 'start_position', message)
  }
}

function checkNotFinished({ runId, isFinished }: Run): void {
  if (!isFinished) return
  const message = `run "${runId}" is finished and makes no more plans; take another run_id, or delete the run`
  throw new RunError('RUN_FINISHED', runId, message)
}

/** Throws a RunError where the plan cannot be had with this request. Changes nothing. */
export function checkPlanRequest(run: Run, request: PlanRequest): void {
  const { epoch, worldSize } = request
  checkGeneration(run, request.generation)
  checkNotFinished(run)
  checkRank(request)
  checkEpoch(run, epoch)
  checkLastSequence(run, request)
  if (epoch === run.nextEpoch) {
    const { keptCount, reason, pruneRate } = ruleOfEpoch(run.spec, epoch)
    const isOpen = !isEverything(reason) && countIsOwn(run.spec.policy, pruneRate)
    const planned = reason === 'reused' ? run.keptSet.count : run.spec.sampleCount
    checkPositions(run, isOpen ? planned : keptCount, request)
    return
  }
  const planned = run.plan?.sharding.worldSize
  if (worldSize !== planned) {
    throw worldSizeMismatch(worldSize, `epoch ${epoch} was planned for ${planned} ranks`)
  }
  checkPositions(run, run.plan?.keptCount ?? 0, request)
}

/** Throws where a policy that decides by itself how many it keeps has kept too few for so many ranks: nothing has changed then, and the same can be asked with fewer. */
export function checkMadePlan(run: Run, keptSet: KeptSet | undefined, epoch: number, worldSize: number): void {
  checkPositions(run, keptSet?.count ?? run.spec.sampleCount, { epoch, worldSize, startPosition: 0 })
}

/** The planned epoch's plan, for a rank that asks what it has to score. Throws a RunError where there is none. */
export function checkScoreRequest(run: Run, request: PlanRequest): Plan {
  const { epoch, rank, worldSize, startPosition } = request
  checkGeneration(run, request.generation)
  checkNotFinished(run)
  checkRank(request)
  const { plan } = run
  if (!plan || plan.epoch !== epoch) {
    const expected = plan ? `the planned epoch is ${plan.epoch}` : 'no epoch is planned yet'
    throw wrongEpoch(run, `epoch is ${epoch}, but ${expected}: what is to be scored is what its plan leaves out`)
  }
  const planned = plan.sharding.worldSize
  if (worldSize !== planned) throw worldSizeMismatch(worldSize, `epoch ${epoch} was planned for ${planned} ranks`)
  const count = plan.scoreCount(rank)
  if (startPosition > count) {
    const message = `start_position is ${startPosition}, but rank ${rank} has ${count} samples to score in epoch ${epoch}`
    throw new RunError('POSITION_OUT_OF_RANGE', 'start_position', message)
  }
  return plan
}
