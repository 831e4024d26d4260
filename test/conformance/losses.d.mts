type Kind = (random: () => number, sample: number, epoch: number) => number

export function createRandom(seed: number): () => number
export const losses: Record<'plain' | 'fine' | 'few' | 'zeros' | 'wide', Kind>
export const metricKinds: Record<'score' | 'scoreWithGaps', Kind>
