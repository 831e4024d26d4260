import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { LossReport, StreamReportsRequest, StreamReportsResponse } from '@keepset/proto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Connection, ConnectionSettings } from './connection.js'
import { InternalError, PreconditionError, QueueFullError, UnavailableError } from './errors.js'
import type { QueuedReport } from './report-queue.js'
import { ReportSender } from './report-sender.js'
import { fastTiming, testConnection } from './testing/connection.js'
import { deferred } from './testing/deferred.js'
import {
  drain,
  errorInfo,
  retryInfo,
  type ScriptedSampler,
  startScriptedSampler,
  statusOf,
} from './testing/scripted-sampler.js'

type Call = ServerDuplexStream<StreamReportsRequest, StreamReportsResponse>

let sampler: ScriptedSampler | undefined
let connection: Connection | undefined

afterEach(() => {
  vi.useRealTimers()
  connection?.close()
  sampler?.stop()
})

/** A sender, and a server that answers the n-th report of the m-th stream as `answer` says. */
async function startSender(
  answer: (call: Call, report: LossReport, nth: number, stream: number) => void,
  settings: Partial<ConnectionSettings> = {},
) {
  const received: number[][] = []
  sampler = await startScriptedSampler({
    streamReports: (call: Call) => {
      const sequences: number[] = []
      const stream = received.push(sequences) - 1
      call.on('data', ({ report }: StreamReportsRequest) => {
        if (report) answer(call, report, sequences.push(report.sequence) - 1, stream)
      })
      call.on('end', () => call.end())
    },
  })
  const timing = fastTiming()
  connection = testConnection(sampler.address, settings, timing)
  return { sender: new ReportSender(connection), received, timing }
}

function acknowledge(call: Call, report: LossReport, duplicate = false) {
  acknowledgeAll(call, [report], duplicate)
}

function acknowledgeAll(call: Call, reports: readonly LossReport[], duplicate = false) {
  const counts = { duplicate, observationCount: duplicate ? 0 : 1, nonFiniteCount: 0, repeatCount: 0 }
  call.write({ acks: reports.map(({ epoch, rank, sequence }) => ({ epoch, rank, sequence, ...counts })) })
}

function report(sequence: number, bytes = 4): QueuedReport {
  const array = Buffer.alloc(bytes)
  const named = { epoch: 2, rank: 1, sequence }
  return {
    ...named,
    toWire: () => ({ runId: 'r', ...named, sampleIndices: array, losses: array, metrics: [], generation: 1 }),
  }
}

function sendAll(sender: ReportSender, count: number) {
  for (let sequence = 1; sequence <= count; sequence++) sender.send(report(sequence))
}

describe('ReportSender', () => {
  it('sends in order, over one stream, more than one at a time', async () => {
    const held: LossReport[] = []
    const { sender, received } = await startSender((call, one) => {
      held.push(one)
      if (held.length === 5) for (const each of held) acknowledge(call, each)
    })
    sendAll(sender, 5)
    await sender.flush()
    expect(received).toEqual([[1, 2, 3, 4, 5]])
  })

  it('takes several acknowledgements in one message', async () => {
    const held: LossReport[] = []
    const { sender } = await startSender((call, one) => {
      held.push(one)
      if (held.length === 5) acknowledgeAll(call, held)
    })
    sendAll(sender, 5)
    await sender.flush()
    expect(sender.queue.length).toBe(0)
  })

  it('fails with the first acknowledgement of a message that does not fit', async () => {
    const { sender } = await startSender((call, one, nth) => {
      if (nth === 1) acknowledgeAll(call, [{ ...one, sequence: 1 }, { ...one, sequence: 7 }, one])
    })
    sendAll(sender, 2)
    await expect(sender.flush()).rejects.toThrow('acknowledged report 7 of epoch 2 and rank 1 when report 2')
    expect(sender.queue.length).toBe(1)
  })

  describe('with an open stream', () => {
    /** A sender that has an open stream, and the sequences of the reports that were encoded since. */
    async function startOpened() {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      const started = await startSender((call, one) => acknowledge(call, one))
      const { sender } = started
      sender.send(report(1))
      await sender.queue.drained()
      const encoded: number[] = []
      const send = (sequence: number) => {
        const one = report(sequence)
        const toWire = () => {
          encoded.push(sequence)
          return one.toWire()
        }
        sender.send({ ...one, toWire })
      }
      return { ...started, send, encoded }
    }

    it('lets a few reports lie, and writes them together when their time is over', async () => {
      const { sender, send, encoded, received } = await startOpened()
      send(2)
      send(3)
      await turn()
      expect(encoded).toEqual([])
      vi.advanceTimersByTime(20)
      expect(encoded).toEqual([2, 3])
      await sender.flush()
      expect(received).toEqual([[1, 2, 3]])
    })

    it('writes many in the next turn, and none while they are handed over', async () => {
      const { send, encoded } = await startOpened()
      const sequences = Array.from({ length: 9 }, (_, index) => index + 2)
      for (const sequence of sequences) send(sequence)
      expect(encoded).toEqual([])
      await turn()
      expect(encoded).toEqual(sequences)
    })

    it('writes at once for who waits for their acknowledgement', async () => {
      const { sender, send, encoded } = await startOpened()
      send(2)
      const flushed = sender.flush()
      expect(encoded).toEqual([2])
      await flushed
    })

    it('writes in the next turn again once its stream is let go of', async () => {
      const { sender, send, encoded } = await startOpened()
      await sender.flush()
      send(2)
      await turn()
      expect(encoded).toEqual([2])
    })
  })

  it.each(['room', 'keepRoomFor'] as const)('writes at once for who waits for room: %s', async (wait) => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { sender } = await startSender((call, one) => acknowledge(call, one), { reportQueueLimit: 1 })
    for (let sequence = 1; sequence <= 3; sequence++) {
      await sender[wait](1)
      sender.send(report(sequence))
    }
    await sender.flush()
    expect(sender.queue.length).toBe(0)
  })

  it('writes at once for who waits while the last room is given to another', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { sender } = await startSender((call, one) => acknowledge(call, one), { reportQueueLimit: 2 })
    sender.send(report(1))
    while (sender.queue.length > 0) await turn()
    sender.send(report(2)) // The stream is open: it lies.
    const written = vi.spyOn(sender.queue, 'at')
    const first = sender.room()
    const second = sender.room()
    expect(written).toHaveBeenCalled()
    await first
    sender.send(report(3))
    await second
    await sender.flush()
  })

  it('opens no stream for reports that were given up before their turn', async () => {
    const { sender, received } = await startSender((call, one) => acknowledge(call, one))
    const reason = new PreconditionError('FAILED_PRECONDITION', 'closed')
    const toWire = vi.fn(report(1).toWire)
    sender.send({ ...report(1), toWire })
    sender.close(reason)
    expect(() => sender.send(report(2))).toThrow(reason)
    await turn()
    expect(toWire).not.toHaveBeenCalled()
    expect(received).toEqual([])
  })

  it('sends again what was not acknowledged when the stream broke, with the same sequences', async () => {
    const { sender, received, timing } = await startSender((call, one, nth, stream) => {
      if (stream < 3 && nth === 2) call.emit('error', drain)
      else if (stream >= 3 || nth === 0) acknowledge(call, one)
    })
    sendAll(sender, 6)
    await sender.flush()
    const delivered = received.map((sequences) => sequences.slice(0, 3))
    expect(delivered).toEqual([
      [1, 2, 3],
      [2, 3, 4],
      [3, 4, 5],
      [4, 5, 6],
    ])
    expect(timing.waits).toEqual([25, 25, 25])
  })

  it('waits longer each time while nothing gets through, then fails for good', async () => {
    const { sender, timing } = await startSender((call) => call.emit('error', drain), { giveUpAfterMs: 1_000 })
    sender.send(report(1))
    await expect(sender.flush()).rejects.toBeInstanceOf(UnavailableError)
    expect(timing.waits).toEqual([25, 50, 100, 200, 400])
    expect(() => sender.send(report(2))).toThrow(UnavailableError)
  })

  it('sends again when the sampler ends the stream without an answer to all', async () => {
    const { sender, received } = await startSender((call, one, _, stream) => {
      if (stream === 0) call.end()
      else acknowledge(call, one)
    })
    sender.send(report(1))
    await sender.flush()
    expect(received).toEqual([[1], [1]])
  })

  it('waits before it sends again as long as the sampler asks for', async () => {
    const draining = statusOf(status.UNAVAILABLE, 'draining', [errorInfo('DRAINING'), retryInfo(800)])
    const { sender, timing } = await startSender((call, one, _, stream) => {
      if (stream === 0) call.emit('error', draining)
      else acknowledge(call, one)
    })
    sender.send(report(1))
    await sender.flush()
    expect(timing.waits).toEqual([800])
  })

  it('counts the reports that the sampler had already', async () => {
    const { sender } = await startSender((call, one) => acknowledge(call, one, one.sequence <= 3))
    sendAll(sender, 5)
    await sender.flush()
    expect(sender.duplicates).toBe(3)
  })

  it('does not count those among them that it had sent to a stream that broke', async () => {
    const { sender, received } = await startSender((call, one, nth, stream) => {
      if (stream > 0) acknowledge(call, one, true)
      else if (nth === 1) call.emit('error', drain)
    })
    sendAll(sender, 2)
    await sender.queue.drained()
    expect(sender.duplicates).toBe(0)
    sender.send(report(3))
    await sender.flush()
    expect(received).toEqual([
      [1, 2],
      [1, 2, 3],
    ])
    expect(sender.duplicates).toBe(1)
  })

  it('remembers a refusal and sends nothing more', async () => {
    const { sender, received } = await startSender((call, one, nth) => {
      if (nth === 0) acknowledge(call, one)
      else call.emit('error', statusOf(status.FAILED_PRECONDITION, 'gap', [errorInfo('SEQUENCE_GAP')]))
    })
    sendAll(sender, 2)
    await expect(sender.flush()).rejects.toMatchObject({ reason: 'SEQUENCE_GAP' })
    expect(() => sender.send(report(3))).toThrow(PreconditionError)
    await expect(sender.flush()).rejects.toBeInstanceOf(PreconditionError)
    expect(received).toEqual([[1, 2]])
  })

  it('fails on an answer to another report', async () => {
    const { sender } = await startSender((call, one) => acknowledge(call, { ...one, sequence: one.sequence + 1 }))
    sender.send(report(1))
    await expect(sender.flush()).rejects.toBeInstanceOf(InternalError)
  })

  it('opens a stream with the first report, and lets go of it with a flush', async () => {
    const { sender, received } = await startSender((call, one) => acknowledge(call, one))
    await sender.flush()
    expect(received).toEqual([])
    sender.send(report(1))
    await sender.flush()
    sender.send(report(2))
    await sender.flush()
    expect(received).toEqual([[1], [2]])
  })

  it('holds no more than the limit, however slow the sampler reads', async () => {
    const megabyte = 1024 * 1024
    const opened = deferred<Call>()
    sampler = await startScriptedSampler({ streamReports: (call: Call) => opened.resolve(call) })
    connection = testConnection(sampler.address, { reportQueueLimit: 8 })
    const sender = new ReportSender(connection)
    for (let sequence = 1; sequence <= 8; sequence++) sender.send(report(sequence, megabyte))
    expect(() => sender.send(report(9))).toThrow(QueueFullError)
    const call = await opened.promise
    call.on('data', ({ report: one }: StreamReportsRequest) => one && acknowledge(call, one))
    await sender.flush()
    expect(sender.queue.length).toBe(0)
  })

  it('gives up what is left when the client closes', async () => {
    const { sender } = await startSender(() => {})
    sender.send(report(1))
    const flushed = sender.flush()
    connection?.close()
    await expect(flushed).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' })
    expect(sender.signal.aborted).toBe(true)
  })

  it('gives up what is left when it is closed, and does not leave the stream to the sampler', async () => {
    const opened = deferred<Call>()
    const cancelled = deferred()
    sampler = await startScriptedSampler({
      streamReports: (call: Call) => {
        call.on('cancelled', cancelled.resolve)
        opened.resolve(call)
      },
    })
    connection = testConnection(sampler.address)
    const sender = new ReportSender(connection)
    sender.send(report(1))
    const flushed = sender.flush()
    await opened.promise
    const reason = new PreconditionError('FAILED_PRECONDITION', 'closed')
    sender.close(reason)
    await expect(flushed).rejects.toBe(reason)
    expect(() => sender.send(report(2))).toThrow(reason)
    await cancelled.promise
  })

  it('takes back an idle stream that the sampler ends', async () => {
    const ended = deferred()
    const { sender, received } = await startSender((call, one, _, stream) => {
      acknowledge(call, one)
      if (stream === 0) {
        call.emit('error', drain)
        once(call, 'close').then(() => ended.resolve())
      }
    })
    sender.send(report(1))
    await sender.queue.drained()
    await ended.promise
    sender.send(report(2))
    await sender.flush()
    expect(received.flat()).toEqual([1, 2])
  })
})
