/** Largest shift of an augmented image, in pixels, in each direction. */
export const largestShift = 2

/** How one image is changed before it is trained on. */
export interface Augmentation {
  /** Whether it is mirrored from left to right, after it was moved. */
  readonly flip: boolean
  /** Pixels by which it moves down and to the right, -2 to 2; what is uncovered is filled by reflection. */
  readonly down: number
  readonly right: number
}

/**
 * The change of the image at a position of an epoch: uniform over shifts and, where allowed, over flips. A pure function
 * of its arguments, so that a resumed training sees the same images.
 *
 * @param seed an integer, 0 to 2^32 - 1; so are epoch and position
 */
export function augmentationAt(seed: number, epoch: number, position: number, flippable: boolean): Augmentation {
  const bits = mix(mix(mix(seed) ^ epoch) ^ position)
  const choices = 2 * largestShift + 1
  return {
    flip: flippable && bits >>> 31 === 1,
    down: ((bits & 0x7fff) % choices) - largestShift,
    right: (((bits >>> 15) & 0x7fff) % choices) - largestShift,
  }
}

/** A bijection of u32 with full avalanche: the finaliser of MurmurHash3, after an offset so that 0 does not map to 0. */
function mix(value: number): number {
  let bits = (value + 0x9e3779b9) | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
