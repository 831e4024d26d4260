/** A thread that makes plans, one job after the other. */
import { parentPort } from 'node:worker_threads'
import { type PlanJob, runPlanJob, setParts } from './plan-job.js'

parentPort?.on('message', (job: PlanJob) => {
  const { keptSet, ...made } = runPlanJob(job)
  const { order, weights, owners } = made
  const moved = [keptSet?.bits, keptSet?.weights, order, weights, owners].map((array) => array?.buffer)
  parentPort?.postMessage(
    { ...made, keptSet: keptSet && setParts(keptSet) },
    moved.filter((buffer) => buffer instanceof ArrayBuffer),
  )
})
