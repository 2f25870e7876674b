import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'

/** What a program wrote while its terminal had one size. */
export type Take = { columns: number; rows: number; bytes: Buffer }

/**
 * Recordings of the real Claude Code on a terminal of its own: for each size a line of JSON
 * (`{"columns":…,"rows":…,"length":…}`) and the raw bytes, all of it gzipped. Made by test/real/screens.test.ts.
 */
export function loadRecording(path: string): Take[] {
  const takes: Take[] = []
  for (let rest = gunzipSync(readFileSync(path)); rest.length > 0; ) {
    const from = rest.indexOf('\n') + 1
    const { columns, rows, length } = JSON.parse(rest.toString('utf8', 0, from))
    takes.push({ columns, rows, bytes: rest.subarray(from, from + length) })
    rest = rest.subarray(from + length)
  }
  return takes
}

export function saveRecording(path: string, takes: readonly Take[]): void {
  const parts = takes.flatMap(({ bytes, ...size }) => [
    Buffer.from(`${JSON.stringify({ ...size, length: bytes.length })}\n`),
    bytes,
  ])
  writeFileSync(path, gzipSync(Buffer.concat(parts), { level: 9 }))
}
