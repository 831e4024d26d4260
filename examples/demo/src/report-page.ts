import { drawAccuracyOverSamples, drawAccuracyOverTime } from './curves.js'
import { explain, type Report } from './report.js'
import { tableOf } from './result-table.js'

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (character) => escapes[character] as string)
const row = (tag: string, cells: string[]) =>
  `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`

const style = `
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; }
  th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #8886; font-variant-numeric: tabular-nums; white-space: nowrap; }
  th:first-child, td:first-child { text-align: left; }
  svg { max-width: 100%; height: auto; }
`

/** The report as a page that needs nothing but itself. */
export function renderReportPage(report: Report): string {
  const { titles, rows } = tableOf(report.arms)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Keepset demo</title>
<style>${style}</style>
<h1>Keepset demo</h1>
<div class="scroll"><table><thead>${row('th', titles)}</thead><tbody>${rows.map((cells) => row('td', cells)).join('')}</tbody></table></div>
<figure role="img" aria-label="Curves of the test accuracy over time, a policy a curve; the figures are in the table">${drawAccuracyOverTime(report.arms)}</figure>
<figure role="img" aria-label="Curves of the test accuracy over samples trained on, a policy a curve">${drawAccuracyOverSamples(report.arms)}</figure>
<ul>${explain(report)
    .map((line) => `<li>${escapeHtml(line)}</li>`)
    .join('')}</ul>
<p>${escapeHtml(report.time)}</p>
</html>
`
}
