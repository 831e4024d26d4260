import { SamplerServiceService } from '@keepset/proto'

/** The sampler's calls as the server knows them: PlanEpoch answers with messages that are bytes of the wire already. */
export const samplerDefinition = {
  ...SamplerServiceService,
  planEpoch: { ...SamplerServiceService.planEpoch, responseSerialize: (message: Buffer) => message },
}
