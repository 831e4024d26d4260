import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { PreconditionError, QueueFullError } from './errors.js'
import { type QueuedReport, ReportQueue } from './report-queue.js'

function report(rank: number, sequence = 1): QueuedReport {
  return {
    epoch: 0,
    rank,
    sequence,
    toWire: () => {
      throw new Error('a queue sends nothing')
    },
  }
}

/** Records in `log` when a promise is done. */
function watch(log: string[], name: string, promise: Promise<void>) {
  promise.then(
    () => log.push(name),
    (error: Error) => log.push(`${name}: ${error.constructor.name}`),
  )
}

describe('ReportQueue', () => {
  it('refuses what is over its limit and keeps nothing of it', () => {
    const queue = new ReportQueue(2)
    queue.push(report(0, 1))
    queue.push(report(0, 2))
    expect(() => queue.push(report(0, 3))).toThrow(QueueFullError)
    expect(queue.length).toBe(2)
    queue.acknowledge()
    queue.push(report(0, 3))
    expect([queue.at(0)?.sequence, queue.at(1)?.sequence, queue.at(2)]).toEqual([2, 3, undefined])
  })

  it('keeps a slot for one rank against all others, once', async () => {
    const queue = new ReportQueue(2)
    await queue.keepRoomFor(7)
    await queue.keepRoomFor(7)
    queue.push(report(0, 1))
    queue.push(report(0, 2))
    expect(() => queue.push(report(1))).toThrow(QueueFullError)
    queue.push(report(7))
    expect(queue.length).toBe(3)
    expect(() => queue.push(report(7, 2))).toThrow(QueueFullError)
  })

  it('keeps no slot that was given back', async () => {
    const queue = new ReportQueue(1)
    await queue.keepRoomFor(7)
    queue.release(7)
    queue.push(report(0))
    expect(() => queue.push(report(7))).toThrow(QueueFullError)
  })

  it('keeps a slot for each rank that asks, however many others hold one', async () => {
    const queue = new ReportQueue(1)
    for (const rank of [0, 1, 2]) await queue.keepRoomFor(rank)
    for (const rank of [0, 1, 2]) queue.push(report(rank))
    const log: string[] = []
    for (const rank of [2, 0]) watch(log, `rank ${rank}`, queue.keepRoomFor(rank))
    queue.acknowledge()
    queue.acknowledge()
    await turn()
    expect(log).toEqual([])
    queue.acknowledge()
    await turn()
    expect(log).toEqual(['rank 2', 'rank 0'])
  })

  it('wakes the next one when a waiter leaves its room unused', async () => {
    const queue = new ReportQueue(1)
    const log: string[] = []
    queue.push(report(0))
    watch(log, 'first', queue.room())
    watch(log, 'second', queue.room())
    queue.acknowledge()
    await turn()
    await turn()
    expect(log).toEqual(['first', 'second'])
  })

  it('never wakes more loops of one queue than it has room for', async () => {
    const queue = new ReportQueue(2)
    let sent = 0
    const loop = async (rank: number) => {
      for (let step = 0; step < 20; step++) {
        await queue.room()
        queue.push(report(rank))
        sent++
      }
    }
    const acknowledgeAll = async () => {
      while (sent < 80) {
        await turn()
        while (queue.length > 0) queue.acknowledge()
      }
    }
    await Promise.all([loop(0), loop(1), loop(2), loop(3), acknowledgeAll()])
    expect(sent).toBe(80)
  })

  it('is drained when what was pushed before is acknowledged, whatever comes after', async () => {
    const queue = new ReportQueue(4)
    const log: string[] = []
    await queue.drained()
    queue.push(report(0, 1))
    queue.push(report(0, 2))
    watch(log, 'two', queue.drained())
    queue.push(report(0, 3))
    queue.acknowledge()
    await turn()
    expect(log).toEqual([])
    queue.acknowledge()
    await turn()
    expect(log).toEqual(['two'])
  })

  it('rejects all who wait, and all who come later, once it has failed', async () => {
    const queue = new ReportQueue(1)
    const log: string[] = []
    queue.push(report(0))
    watch(log, 'room', queue.room())
    watch(log, 'kept', queue.keepRoomFor(1))
    watch(log, 'drained', queue.drained())
    queue.fail(new PreconditionError('FAILED_PRECONDITION', 'gap'))
    watch(log, 'later', queue.drained())
    expect(() => queue.push(report(1))).toThrow(PreconditionError)
    await turn()
    expect(log.sort()).toEqual(['drained', 'kept', 'later', 'room'].map((name) => `${name}: PreconditionError`))
  })
})
