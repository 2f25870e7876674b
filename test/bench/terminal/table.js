// One table: what was measured, and its ratios to no wrapper at all and to script(1).

/** @typedef {Record<string, number | boolean>} Result */

const ROWS = [
  { title: 'echo p50, µs', key: 'echo50', digits: 0 },
  { title: 'echo p99, µs', key: 'echo99', digits: 0 },
  { title: 'throughput, MB/s', key: 'speed', digits: 1 },
  { title: 'bytes', key: 'isSame' },
  { title: 'CPU per GB, s', key: 'cpu', digits: 2 },
  { title: 'first byte, ms', key: 'first', digits: 1 },
  { title: 'idle: CPU, ms', key: 'idleCpu', digits: 1 },
  { title: 'idle: wake-ups', key: 'wakeUps', digits: 0 },
  { title: 'idle: RSS, MB', key: 'resident', digits: 1 },
]

const BASES = ['direct', 'script', 'naive']

export function printTable(/** @type {Record<string, Result>} */ results) {
  const names = Object.keys(results)
  const table = [['', ...names]]
  for (const { title, key, digits } of ROWS) {
    const values = names.map((name) => results[name]?.[key])
    table.push([title, ...values.map((value) => show(value, digits))])
    if (digits === undefined) continue
    for (const base of BASES) {
      const one = Number(results[base]?.[key])
      if (!(one > 0) || (base === 'direct' && key === 'cpu')) continue
      table.push([`  to ${base}`, ...values.map((value) => (Number(value) / one).toFixed(2))])
    }
  }
  const widths = names.map((_, column) => Math.max(...table.map((row) => row[column + 1]?.length ?? 0)))
  for (const [title = '', ...cells] of table) {
    const padded = cells.map((cell, column) => cell.padStart(widths[column] ?? 0))
    console.log(`${title.padEnd(18)}  ${padded.join('  ')}`)
  }
}

function show(value, digits) {
  if (typeof value === 'boolean') return value ? 'same' : 'differ'
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits)
}
