import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { LossReport, LossReportAck, StreamReportsRequest, StreamReportsResponse } from '@keepset/proto'

type ReportCall = ServerDuplexStream<StreamReportsRequest, StreamReportsResponse>

/** Reports of a stream that may wait for their acknowledgement; then no more are read. */
const MAX_PENDING = 256

/** A report's place in the order of its stream; the last one is how the stream ends. */
interface Place {
  /** Undefined until it is known. */
  outcome: LossReportAck | (() => void) | undefined
}

/**
 * Hands each report to `accept` as it comes and writes the acknowledgements in the order of the reports: those that come in one turn of the event loop, or
 * while the message before is being written, in one message, which costs as much as a message with one of them.
 * Ends with the first error, after the acknowledgements of what came before it, or with the reason of `drain` when that aborts.
 */
export function serveReportStream(
  call: ReportCall,
  drain: AbortSignal,
  accept: (report: LossReport | undefined) => Promise<LossReportAck>,
  fail: (error: unknown) => void,
): void {
  const places: Place[] = []
  let isOpen = true
  let isPaused = false
  /** Acknowledgements of the message that is being written. */
  let writing = 0
  let isDue = false

  const close = () => {
    isOpen = false
    drain.removeEventListener('abort', stop)
  }
  const write = () => {
    isDue = false
    if (!isOpen || writing > 0) return
    const acks = takeAcks(places)
    if (acks.length > 0) {
      writing = acks.length
      call.write({ acks }, written)
      return
    }
    const end = places[0]?.outcome
    if (typeof end !== 'function') return
    close()
    end()
  }
  const written = (error: Error | null | undefined) => {
    writing = 0
    if (error) places.unshift({ outcome: () => fail(error) })
    if (isPaused && places.length < MAX_PENDING) {
      isPaused = false
      call.resume()
    }
    write()
  }
  const settle = (place: Place, outcome: LossReportAck | (() => void)) => {
    place.outcome = outcome
    if (isDue || writing > 0) return
    isDue = true
    setImmediate(write)
  }
  const stop = () => endWith(() => fail(drain.reason))
  const endWith = (end: () => void) => {
    const place: Place = { outcome: undefined }
    places.push(place)
    settle(place, end)
  }

  call.on('data', ({ report }: StreamReportsRequest) => {
    if (!isOpen) return
    const place: Place = { outcome: undefined }
    if (places.push(place) + writing >= MAX_PENDING) {
      isPaused = true
      call.pause()
    }
    accept(report).then(
      (ack) => settle(place, ack),
      (error: unknown) => settle(place, () => fail(error)),
    )
  })
  call.on('end', () => endWith(() => call.end()))
  call.on('cancelled', close)
  if (drain.aborted) stop()
  else drain.addEventListener('abort', stop)
}

/** Takes the acknowledgements off that the order begins with. */
function takeAcks(places: Place[]): LossReportAck[] {
  const isAck = ({ outcome }: Place) => outcome !== undefined && typeof outcome !== 'function'
  const end = places.findIndex((place) => !isAck(place))
  return places.splice(0, end === -1 ? places.length : end).map(({ outcome }) => outcome as LossReportAck)
}
