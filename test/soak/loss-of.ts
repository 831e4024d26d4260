/**
 * A loss of sample and epoch alone, so that every training of the same run reports the same, however often it begins anew.
 * It takes 64 values, so that many samples tie; about one in 500 is NaN.
 */
export function lossOf(index: number, epoch: number): number {
  let hash = Math.imul(index ^ Math.imul(epoch + 1, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35)
  hash = (hash ^ (hash >>> 13)) >>> 0
  return hash % 499 === 0 ? Number.NaN : (hash % 64) / 16
}
