import { availableParallelism } from 'node:os'
import { isChoice, makePlan } from '../runs/make-plan.js'
import type { MadePlan, Planner, PlanWork } from '../runs/ports.js'
import { type PlanJob, type PlanJobResult, partsOf, setOf } from './plan-job.js'
import { PlanThread } from './plan-thread.js'

/** Threads that stay without work for so long end, and what they needed for it goes with them. */
const IDLE_MS = 5000

interface Task {
  readonly job: PlanJob
  resolve(result: PlanJobResult): void
  reject(error: unknown): void
}

/**
 * Makes the plans of large runs in threads of its own, so that nothing else waits for them, and those of small ones at once. Each run has one
 * plan under way at most, and plans are made in the order in which they were asked for: no run waits longer than for one plan of each other.
 */
export class WorkerPlanner implements Planner {
  readonly #size: number
  readonly #waiting: Task[] = []
  readonly #idle: { readonly thread: PlanThread; readonly timer: NodeJS.Timeout }[] = []
  readonly #busy = new Set<PlanThread>()
  #isClosed = false

  /** `size`: threads at most; by default one less than there are cores, so that reports have one. */
  constructor(size = Math.max(1, availableParallelism() - 1)) {
    this.#size = size
  }

  /** Threads that wait for work. */
  get idleThreads(): readonly PlanThread[] {
    return this.#idle.map(({ thread }) => thread)
  }

  async make(work: PlanWork): Promise<MadePlan> {
    const { statistics, kept, ...rest } = work
    const { memory, sampleCount, metrics } = statistics
    if (!memory) return makePlan(work)
    const job = { ...rest, memory, sampleCount, metricCount: metrics.length, kept: partsOf(kept) }
    const { keptSet, ...made } = await this.#run(job)
    // What was given stays what it is.
    return { keptSet: isChoice(kept) ? keptSet && setOf(keptSet) : kept, ...made }
  }

  /** Ends the threads; what they have not finished is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { reject } of this.#waiting.splice(0)) reject(closed())
    const idle = this.#idle.splice(0).map(({ thread, timer }) => {
      clearTimeout(timer)
      return thread
    })
    await Promise.all([...idle, ...this.#busy].map((thread) => thread.end()))
  }

  #run(job: PlanJob): Promise<PlanJobResult> {
    if (this.#isClosed) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject })
      this.#startNext()
    })
  }

  #startNext(): void {
    const task = this.#waiting[0]
    if (!task) return
    let thread: PlanThread | undefined
    try {
      thread = this.#takeThread()
    } catch (error) {
      this.#waiting.shift()
      task.reject(error)
      return
    }
    if (thread) this.#start(this.#waiting.shift() as Task, thread)
  }

  #start({ job, resolve, reject }: Task, thread: PlanThread): void {
    this.#busy.add(thread)
    thread
      .run(job)
      .then(resolve, reject)
      .finally(() => {
        this.#busy.delete(thread)
        this.#release(thread)
        this.#startNext()
      })
  }

  #takeThread(): PlanThread | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      clearTimeout(idle.timer)
      // It may have ended by itself: by a limit of the machine, for example.
      if (!idle.thread.isEnded) return idle.thread
    }
    return this.#busy.size < this.#size ? new PlanThread() : undefined
  }

  #release(thread: PlanThread): void {
    if (this.#isClosed || thread.isEnded) return
    const timer = setTimeout(() => {
      const place = this.#idle.findIndex((idle) => idle.thread === thread)
      if (place >= 0) this.#idle.splice(place, 1)
      void thread.end()
    }, IDLE_MS)
    timer.unref()
    this.#idle.push({ thread, timer })
  }
}

const closed = () => new Error('the planner is closed')
