import CliTable from 'cli-table3'

const characters = [
  'top',
  'top-mid',
  'top-left',
  'top-right',
  'bottom',
  'bottom-mid',
  'bottom-left',
  'bottom-right',
  'left',
  'left-mid',
  'mid',
  'mid-mid',
  'right',
  'right-mid',
  'middle',
] as const

/** Columns stand this far apart. */
const gap = '   '

/**
 * Aligns rows of cells in columns as wide as their widest cell: no borders, no colours, nothing cut to the width of a terminal.
 *
 * @param head titles of the columns; none for a table without them
 */
export function formatTable(rows: readonly (readonly string[])[], head: readonly string[] = []): string {
  const table = new CliTable({
    chars: { ...Object.fromEntries(characters.map((name) => [name, ''])), middle: gap },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  })
  for (const row of head.length > 0 ? [head, ...rows] : rows) table.push([...row])
  const lines = table.toString().split('\n')
  return lines.map((line) => line.trimEnd()).join('\n')
}
