/** A thread that makes plans, one job after the other. */
import { parentPort } from 'node:worker_threads'
import { type PlanJob, runPlanJob } from './plan-job.js'

parentPort?.on('message', (job: PlanJob) => {
  const { keptSet, order, digest, owners } = runPlanJob(job)
  const result = { keptSet: keptSet && { bits: keptSet.bits, count: keptSet.count }, order, digest, owners }
  const moved = [keptSet?.bits.buffer, order.buffer, owners?.buffer].filter((buffer) => buffer instanceof ArrayBuffer)
  parentPort?.postMessage(result, moved)
})
