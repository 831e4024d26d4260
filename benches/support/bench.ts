/** What a bench is given. */
export interface BenchSettings {
  /** Times that everything is measured, by turns. */
  readonly rounds: number
  readonly seed: number
  /** An empty folder on the disk that is measured. */
  readonly dataDir: string
  /** A sync of a journal takes at least so long, as on a slower disk; 0 = as it is. */
  readonly syncMs: number
  /** Numbers of samples to measure, where a bench has a choice; undefined: its own. */
  readonly sizes: readonly number[] | undefined
  /** Small sizes, to see that the bench works. Its figures mean nothing. */
  readonly quick: boolean
}

/** What a bench came to. */
export interface BenchOutcome {
  /** Sizes and other constants. */
  readonly constants: Readonly<Record<string, unknown>>
  /** Everything measured, as it was measured. */
  readonly measured: unknown
  /** For people: one or more tables. */
  readonly text: string
}

/** Something that is measured. */
export interface Bench {
  readonly name: string
  readonly description: string
  /** What it should come to, to be shown with what it comes to. */
  readonly goal?: string
  run(settings: BenchSettings): Promise<BenchOutcome>
}
