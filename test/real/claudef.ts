import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startApi } from '../../fixtures/api/server.js'
import { type HomeOptions, makeHome } from '../support/home.ts'
import { findRealClaude } from '../support/real-claude.ts'
import { openScreen, type Screen } from '../support/screen.ts'

const claudef = fileURLToPath(new URL('../../bin/claudef.js', import.meta.url))

/** A made-up API key: 108 characters as real ones have, its end unique to this run. */
export const key = `sk-ant-api03-${'made-up-for-tests-'.repeat(5)}${Math.random().toString(36).slice(2, 10)}`

export type Setup = Awaited<ReturnType<typeof setUp>>

/** A home with a made-up subscription, the loopback API, and claudef around the real Claude Code. */
export async function setUp(options: Omit<HomeOptions, 'apiUrl'> & { auto?: boolean; fallbackKey?: string | false } = {}) {
  const api = await startApi()
  const home = makeHome({ ...options, apiUrl: api.url })
  const { auto = true, fallbackKey = key } = options
  const env = {
    ...home.env,
    CLAUDE_FALLBACK_CLAUDE: findRealClaude(),
    ...(auto ? { CLAUDE_FALLBACK_AUTO_RESTART: '1' } : {}),
    ...(fallbackKey === false ? {} : { CLAUDE_FALLBACK_API_KEY: fallbackKey }),
  }
  const screens: Screen[] = []
  return {
    api,
    home,
    env,
    /** Runs claudef with these arguments on a screen of its own. */
    run: async (args: string[] = [], more: { env?: Record<string, string>; cwd?: string; compareTermios?: boolean } = {}) => {
      const screen = await openScreen({
        file: process.execPath,
        args: [claudef, ...args],
        cwd: more.cwd ?? home.cwd,
        env: { ...env, ...more.env },
        compareTermios: more.compareTermios ?? false,
      })
      screens.push(screen)
      return screen
    },
    /** What claudef has written to its log. */
    log: () => readFileSync(join(home.home, '.claude_fallback_error.log'), 'utf8'),
    tearDown: async () => {
      for (const screen of screens) await screen.close()
      await api.close()
      home.cleanup()
    },
  }
}
