import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import type { LossReport, LossReportAck, StreamReportsRequest, StreamReportsResponse } from '@keepset/proto'

/** The trainer's end of a StreamReports call, with what has come back so far. */
export class ReportStream {
  readonly acks: LossReportAck[] = []
  /** How many acknowledgements each message brought. */
  readonly groups: number[] = []
  /** How the stream ended: undefined for OK. */
  readonly ended: Promise<ServiceError | undefined>
  readonly #call: ClientDuplexStream<StreamReportsRequest, StreamReportsResponse>
  #onChange = () => {}

  constructor(call: ClientDuplexStream<StreamReportsRequest, StreamReportsResponse>) {
    this.#call = call
    call.on('data', ({ acks }: StreamReportsResponse) => {
      this.groups.push(acks.length)
      this.acks.push(...acks)
      this.#onChange()
    })
    this.ended = new Promise((resolve) => {
      call.on('error', resolve)
      call.on('end', () => resolve(undefined))
    })
  }

  send(...reports: readonly (LossReport | undefined)[]): void {
    for (const report of reports) this.#call.write({ report })
  }

  /** Resolves once `count` acknowledgements have come; rejects if the stream ends before. */
  async acknowledged(count: number): Promise<void> {
    const arrived = new Promise<'arrived'>((resolve) => {
      this.#onChange = () => {
        if (this.acks.length >= count) resolve('arrived')
      }
      this.#onChange()
    })
    const first = await Promise.race([arrived, this.ended])
    if (first === 'arrived') return
    throw first ?? new Error(`the stream ended after ${this.acks.length} of ${count} acknowledgements`)
  }

  /** Says that no more reports come; resolves when the sampler has ended its side. Rejects with its status if that is not OK. */
  async finish(): Promise<readonly LossReportAck[]> {
    this.#call.end()
    const error = await this.ended
    if (error) throw error
    return this.acks
  }

  cancel(): void {
    this.#call.cancel()
  }
}
