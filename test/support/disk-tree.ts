/** What is on a disk, in two versions: the one that programs see, and the one that a loss of power cannot take. */
export type DiskNode = FileNode | FolderNode

/** Chooses what a loss of power leaves of what was not synced. */
export interface Survival {
  /** Whether a name that was made, changed or removed is so still. */
  change(): boolean
  /**
   * The content of a file: `synced` of it is safe. `versions` are the contents since the last sync, oldest first: what was synced, then what
   * was there before each cut, last what programs saw.
   */
  content(versions: readonly [Uint8Array, ...Uint8Array[]], synced: number): Uint8Array
}

export class FileNode {
  #synced: Uint8Array
  /** Contents before a cut that is not synced yet. */
  #beforeCuts: Uint8Array[] = []
  /** Bytes at the front that no cut has touched since the last sync. */
  #untouched: number
  #bytes: Uint8Array
  #length: number

  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.#synced = new Uint8Array(bytes)
    this.#untouched = bytes.length
    this.#bytes = this.#synced
    this.#length = bytes.length
  }

  get content(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length
    // Bytes that were synced are never written over: they are in an array of their own.
    if (length > this.#bytes.length || this.#bytes === this.#synced) {
      const grown = new Uint8Array(Math.max(2 * length, 256))
      grown.set(this.content)
      this.#bytes = grown
    }
    this.#bytes.set(bytes, this.#length)
    this.#length = length
  }

  truncate(length: number): void {
    this.#beforeCuts.push(this.content.slice())
    this.#untouched = Math.min(this.#untouched, length)
    this.#bytes = this.#bytes.slice(0, length)
    this.#length = length
  }

  sync(): void {
    this.#synced = this.content.slice()
    this.#beforeCuts = []
    this.#untouched = this.#length
  }

  survivor(survival: Survival): FileNode {
    const isSynced = this.#beforeCuts.length === 0 && this.#length === this.#synced.length
    if (isSynced) return new FileNode(this.#synced)
    const versions = [this.#synced, ...this.#beforeCuts, this.content.slice()] as const
    return new FileNode(survival.content(versions, this.#untouched))
  }
}

/** A name that a node got or lost. The two halves of a move share their `cause`: they survive together, or neither does. */
interface NameChange {
  readonly cause: object
  readonly name: string
  readonly node: DiskNode
  readonly isGone: boolean
}

function applyChange(entries: Map<string, DiskNode>, { name, node, isGone }: NameChange): void {
  if (!isGone) entries.set(name, node)
  else if (entries.get(name) === node) entries.delete(name)
}

export class FolderNode {
  readonly entries = new Map<string, DiskNode>()
  #synced = new Map<string, DiskNode>()
  #unsynced: NameChange[] = []

  add(name: string, node: DiskNode, cause: object = {}): void {
    this.#change({ cause, name, node, isGone: false })
  }

  /** Takes a name away. */
  drop(name: string, cause: object = {}): void {
    this.#change({ cause, name, node: this.entries.get(name) as DiskNode, isGone: true })
  }

  /** Removes a node and all in it, one after the other as a file system does. */
  removeAll(name: string): void {
    const node = this.entries.get(name)
    if (node instanceof FolderNode) for (const child of [...node.entries.keys()]) node.removeAll(child)
    if (node) this.drop(name)
  }

  sync(): void {
    this.#synced = new Map(this.entries)
    this.#unsynced = []
  }

  survivor(survival: Survival, causes = new Map<object, boolean>(), nodes = new Map<DiskNode, DiskNode>()): FolderNode {
    const entries = new Map(this.#synced)
    for (const change of this.#unsynced) {
      const survives = causes.get(change.cause) ?? survival.change()
      causes.set(change.cause, survives)
      if (survives) applyChange(entries, change)
    }
    const folder = new FolderNode()
    nodes.set(this, folder)
    for (const [name, node] of entries) {
      const known = nodes.get(node)
      const copy =
        known ?? (node instanceof FolderNode ? node.survivor(survival, causes, nodes) : node.survivor(survival))
      nodes.set(node, copy)
      folder.entries.set(name, copy)
    }
    folder.sync()
    return folder
  }

  #change(change: NameChange): void {
    applyChange(this.entries, change)
    this.#unsynced.push(change)
  }
}
