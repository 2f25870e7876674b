// A config folder full of transcripts, and the rows that come later.
import { appendFileSync, mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Builds them of rows of about 1 kB, all real data; returns their paths. One in ten is a subagent's. */
export function buildTree(/** @type {string} */ configDir, { projects, files, bytes }) {
  mkdirSync(configDir, { recursive: true })
  const { bavail, bsize } = statfsSync(configDir)
  const needed = files * bytes
  if (bavail * bsize < needed * 1.5) {
    throw new Error(
      `No room for ${needed / 1e9} GB at ${configDir}: name a roomier folder by TMPDIR, or use --small`,
    )
  }
  const text = renderText(bytes)
  return Array.from({ length: files }, (_, index) => {
    const path = transcriptPath(configDir, `-home-user-project-${index % projects}`, index)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    return path
  })
}

function transcriptPath(configDir, slug, index) {
  const id = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
  const project = join(configDir, 'projects', slug)
  return index % 10 < 9 ? join(project, `${id}.jsonl`) : join(project, id, 'subagents', 'agent-a.jsonl')
}

function renderText(bytes) {
  let text = ''
  for (let count = 0; text.length < bytes; count++) text += renderRow(count)
  return `${text.slice(0, bytes - 1)}\n`
}

function renderRow(number) {
  const content = [{ type: 'text', text: `${number} `.repeat(200).slice(0, 700) }]
  const message = { id: `msg_${number}`, role: 'assistant', model: 'claude-sonnet-4-5', content }
  return `${JSON.stringify({ type: 'assistant', isSidechain: false, uuid: `row-${number}`, message })}\n`
}

/** What Claude Code writes at the limit (2.1.x), with a number by which the follower's answer is known. */
export function appendLimitRow(/** @type {string} */ path, /** @type {number} */ number) {
  const content = [{ type: 'text', text: "You've hit your session limit · resets 4pm (UTC)" }]
  const message = { model: '<synthetic>', role: 'assistant', content }
  const row = { type: 'assistant', message, error: 'rate_limit', isApiErrorMessage: true, benchRow: number }
  appendFileSync(path, `${JSON.stringify(row)}\n`)
}

/** Writes rows of 1 kB to these files in turn until it is called; the total in bytes per second. */
export function startLoad(/** @type {string[]} */ paths, /** @type {number} */ bytesPerSecond) {
  const row = `${renderRow(0).trimEnd().padEnd(999)}\n`
  const start = performance.now()
  let written = 0
  const timer = setInterval(() => {
    while (written * row.length < ((performance.now() - start) / 1000) * bytesPerSecond) {
      appendFileSync(paths[written++ % paths.length] ?? '', row)
    }
  }, 2)
  return () => clearInterval(timer)
}
