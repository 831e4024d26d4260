import type { ArmResult } from './arm.js'

const columns: readonly { readonly title: string; readonly cell: (arm: ArmResult) => string }[] = [
  { title: 'policy', cell: ({ policy }) => policy },
  { title: 'test accuracy', cell: ({ testAccuracy }) => `${(testAccuracy * 100).toFixed(1)} %` },
  { title: 'samples trained', cell: ({ samplesTrained }) => samplesTrained.toLocaleString('en') },
  { title: 'saving', cell: ({ saving }) => `${(saving * 100).toFixed(1)} %` },
  { title: 'time', cell: ({ seconds }) => `${seconds.toFixed(1)} s` },
  { title: 'of it in the sampler', cell: ({ samplerSeconds }) => `${samplerSeconds.toFixed(2)} s` },
  { title: 'images/s', cell: ({ imagesPerSecond }) => Math.round(imagesPerSecond).toLocaleString('en') },
  { title: 'speed-up', cell: ({ speedUp }) => `${speedUp.toFixed(2)} x` },
  { title: 'of at most', cell: ({ speedUpBound }) => `${speedUpBound.toFixed(2)} x` },
]

/** Titles and cells of the table, a row an arm. */
export function tableOf(arms: readonly ArmResult[]): { titles: string[]; rows: string[][] } {
  return {
    titles: columns.map(({ title }) => title),
    rows: arms.map((arm) => columns.map(({ cell }) => cell(arm))),
  }
}

/** The table as text: the first column to the left, figures to the right. */
export function formatTable(arms: readonly ArmResult[]): string {
  const { titles, rows } = tableOf(arms)
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const pad = (cell: string, i: number) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))
  const line = (cells: string[]) => cells.map(pad).join('  ')
  return [line(titles), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}
