import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, onTestFinished } from 'vitest'
import { fakeClaude } from '../support/claudef.ts'
import { type HomeOptions, makeHome } from '../support/home.ts'
import { openScreen, type ScreenOptions } from '../support/screen.ts'

/** The clone that is under test. */
export const repository = fileURLToPath(new URL('../../', import.meta.url))

/** Found nowhere else, so that a search for it proves something. */
export const key = 'sk-ant-api03-made-up-for-the-system-tests-wxyz'

/**
 * A home with a made-up subscription, and an environment in which claudef finds the fake Claude Code and a key.
 * Removed when the test has finished.
 */
export const setUp = (options: Omit<HomeOptions, 'apiUrl'> = {}) => {
  // A port that nothing listens on: the fake asks nobody.
  const home = makeHome({ ...options, apiUrl: 'http://127.0.0.1:9' })
  onTestFinished(home.cleanup)
  const env: Record<string, string> = {
    ...home.env,
    TZ: 'UTC',
    CLAUDE_FALLBACK_CLAUDE: fakeClaude,
    CLAUDE_FALLBACK_API_KEY: key,
    ...options.env,
  }
  return { ...home, env }
}

/** A program on a screen of its own, closed when the test has finished. */
export const openOwnScreen = async (options: ScreenOptions) => {
  const screen = await openScreen(options)
  onTestFinished(screen.close)
  return screen
}

/** An empty folder for all tests of a `describe`, removed after the last. */
export const makeFolder = (name: string) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `${name}-`)))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The private folders of the claudefs that run, or have left theirs behind, in this folder for temporary files. */
export const sessionFolders = (temporary: string) =>
  readdirSync(temporary)
    .filter((name) => /^claudef-\d+-/.test(name))
    .map((name) => join(temporary, name))

/** Empty for a file that is not there. */
export const readIfAny = (path: string) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
