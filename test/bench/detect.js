// From the row of a limit in the transcript to the signal that ends the child: sessions of claudef, one after the other.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openLine } from './terminal/line.js'

const claudef = fileURLToPath(new URL('../../bin/claudef.js', import.meta.url))
const program = fileURLToPath(new URL('detect/program.js', import.meta.url))

/** The row, cut to what makes it a limit. */
const ROW = {
  type: 'assistant',
  isSidechain: false,
  message: {
    model: '<synthetic>',
    role: 'assistant',
    content: [{ type: 'text', text: "You've hit your 5-hour limit · resets 4pm (UTC)" }],
  },
  apiError: 'usage_limit_reached',
  quotaLimits: { status: 'rejected', rateLimitType: 'five_hour', overageStatus: 'rejected' },
  error: 'rate_limit',
  isApiErrorMessage: true,
  apiErrorStatus: 429,
  version: '2.1.330',
}

/** Prints percentiles of 200 sessions (`--small`: 20). */
export async function run(/** @type {string[]} */ args) {
  const count = args.includes('--small') ? 20 : 200
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'bench-')))
  const results = join(root, 'results')
  const cwd = join(root, 'project')
  try {
    for (const folder of [join(root, '.claude'), cwd]) mkdirSync(folder)
    writeFileSync(results, '')
    writeFileSync(join(root, '.claude.json'), JSON.stringify({ oauthAccount: {} }))
    const env = {
      HOME: root,
      PATH: process.env.PATH ?? '',
      TERM: 'xterm-256color',
      TMPDIR: root,
      CLAUDE_FALLBACK_CLAUDE: program,
      CLAUDE_FALLBACK_AUTO_RESTART: '1',
      CLAUDE_FALLBACK_NOTIFY: 'off',
      CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-the-benchmark',
      BENCH_RESULTS: results,
      BENCH_ROW: JSON.stringify(ROW),
    }
    for (let session = 0; session < count; session++) {
      const line = openLine({ file: process.execPath, args: [claudef], env, cwd })
      while (line.read() !== undefined);
      await line.ended
    }
    report(readFileSync(results, 'utf8').trim().split('\n').map(Number), count)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

function report(/** @type {number[]} */ times, /** @type {number} */ count) {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (percent) =>
    (sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN).toFixed(
      1,
    )
  console.log(`Node ${process.version}: ${times.length} of ${count} limits were acted on`)
  console.log(`row written → SIGTERM, ms: p50 ${at(50)}, p99 ${at(99)}, most ${at(100)}`)
}
