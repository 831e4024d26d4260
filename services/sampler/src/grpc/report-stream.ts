import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { LossReport, LossReportAck, StreamReportsRequest, StreamReportsResponse } from '@keepset/proto'

type ReportCall = ServerDuplexStream<StreamReportsRequest, StreamReportsResponse>

/** Reports of a stream that may wait for their acknowledgement; then no more are read. */
const MAX_PENDING = 256

function write(call: ReportCall, message: StreamReportsResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    call.write(message, (error: Error | null | undefined) => (error ? reject(error) : resolve()))
  })
}

/**
 * Hands each report to `accept` as it comes and writes the acknowledgements in the order of the reports.
 * Ends with the first error, after the acknowledgements of what came before it, or with the reason of `drain` when that aborts.
 */
export function serveReportStream(
  call: ReportCall,
  drain: AbortSignal,
  accept: (report: LossReport | undefined) => Promise<LossReportAck>,
  fail: (error: unknown) => void,
): void {
  let isOpen = true
  let pending = 0
  let written = Promise.resolve()

  const close = () => {
    isOpen = false
    drain.removeEventListener('abort', stop)
  }
  const enqueue = (step: () => Promise<void>) => {
    written = written.then(step)
    written.catch((error: unknown) => {
      if (!isOpen) return
      close()
      fail(error)
    })
  }
  const stop = () => enqueue(() => Promise.reject(drain.reason))

  call.on('data', ({ report }: StreamReportsRequest) => {
    if (!isOpen) return
    if (++pending === MAX_PENDING) call.pause()
    const accepted = accept(report)
    accepted.catch(() => undefined) // Seen to where its turn to be written comes.
    enqueue(async () => {
      await write(call, { ack: await accepted })
      if (pending-- === MAX_PENDING) call.resume()
    })
  })
  call.on('end', () =>
    enqueue(async () => {
      close()
      call.end()
    }),
  )
  call.on('cancelled', close)
  if (drain.aborted) stop()
  else drain.addEventListener('abort', stop)
}
