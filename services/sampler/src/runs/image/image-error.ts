/** Bytes that are no image of a run, or not one that this version reads. The message says where and what. */
export class ImageError extends Error {
  override readonly name = 'ImageError'
}
