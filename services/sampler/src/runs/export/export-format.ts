/*
 * An export, little-endian: magic, u32 version, u32 length of the header, the header as JSON ({ runId, epochStarts }), the image of the run, the images of the
 * epoch starts in their order, SHA-256 of all before it. docs/reference/storage.md describes it for readers.
 */
export const EXPORT_MAGIC = 'KEEPSETX'
export const EXPORT_VERSION = 1
export const DIGEST_BYTES = 32
export const MAX_EXPORT_HEADER_BYTES = 0x10000

/** What an export begins with. */
export interface ExportHeader {
  readonly runId: string
  /** Epochs whose starts are in it, ascending. */
  readonly epochStarts: readonly number[]
}
