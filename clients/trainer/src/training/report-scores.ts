import type { Batch, PlanPositions, ScoreSource } from '@keepset/client'
import type { Scores } from '../models/classifier.js'

/** Hands a batch's losses, or their mean where the run takes no more of them, and its columns to the sampler. */
export function reportScores(
  positions: PlanPositions,
  batch: Batch,
  { losses, columns }: Scores,
  scoreSource: ScoreSource,
): void {
  const mean = () => losses.reduce((sum, loss) => sum + loss, 0) / losses.length
  positions.report(batch, scoreSource === 'batch_loss' ? mean() : losses, columns)
}
