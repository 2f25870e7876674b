import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export type HomeOptions = {
  /** Where the stand-in for the Anthropic API listens. */
  apiUrl: string
  /** A made-up Max subscription; true by default. */
  login?: boolean
  /** The working directory; by default a new empty one. */
  cwd?: string
  /** Whether the trust dialog of `cwd` has been accepted; true by default. */
  trusted?: boolean
  /** The user's own `settings.json`; none by default. */
  settings?: object
  /** More for `.claude.json`, such as `customApiKeyResponses`. */
  state?: object
  /** More for the environment. */
  env?: Record<string, string>
}

export type Transcript = { path: string; sessionId: string; rows: Record<string, unknown>[] }

export type Home = ReturnType<typeof makeHome>

/** The login's made-up access token: a request that carries it is billed to the subscription. */
export const subscriptionToken = 'sk-ant-oat01-made-up-for-tests'

/**
 * Makes a home folder as a Claude Code user has it, in a temporary folder of its own, and an environment
 * that leads nowhere else. `cleanup` removes it all.
 */
export const makeHome = (options: HomeOptions) => {
  const { login = true, trusted = true } = options
  // Resolved, for Claude Code names the transcripts' folder after the resolved working directory.
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'claudef-')))
  const home = join(root, 'home')
  const cwd = options.cwd ?? join(root, 'project')
  const configDir = join(home, '.claude')
  for (const folder of [configDir, cwd, join(root, 'tmp')]) mkdirSync(folder, { recursive: true })
  if (login) writePrivate(join(configDir, '.credentials.json'), makeCredentials())
  if (options.settings) writePrivate(join(configDir, 'settings.json'), options.settings)
  const state = { ...makeState(login, trusted ? cwd : undefined), ...options.state }
  writePrivate(join(home, '.claude.json'), state)
  return {
    root,
    home,
    cwd,
    configDir,
    env: { ...makeEnvironment(home, join(root, 'tmp'), options.apiUrl), ...options.env },
    /** The main transcripts of all projects (not those of subagents), in the order of their names. */
    transcripts: () => readTranscripts(join(configDir, 'projects')),
    cleanup: () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }),
  }
}

const monthMs = 30 * 24 * 3600 * 1000

const makeCredentials = () => ({
  claudeAiOauth: {
    accessToken: subscriptionToken,
    refreshToken: 'sk-ant-ort01-made-up-for-tests',
    expiresAt: Date.now() + monthMs,
    scopes: ['user:inference', 'user:profile', 'user:sessions:claude_code'],
    subscriptionType: 'max',
    rateLimitTier: 'default_claude_max_5x',
  },
})

/** Whatever Claude Code asks of a newcomer (theme, trust, onboarding) is answered here. */
const makeState = (login: boolean, trustedFolder: string | undefined) => ({
  numStartups: 5,
  theme: 'dark',
  hasCompletedOnboarding: true,
  lastOnboardingVersion: '2.1.330',
  autoUpdates: false,
  ...(login && {
    oauthAccount: {
      accountUuid: '11111111-1111-4111-8111-111111111111',
      emailAddress: 'somebody@example.com',
      organizationUuid: '22222222-2222-4222-8222-222222222222',
      organizationType: 'claude_max',
    },
  }),
  projects: trustedFolder && {
    [trustedFolder]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true },
  },
})

const makeEnvironment = (home: string, temporary: string, apiUrl: string): Record<string, string> => ({
  HOME: home,
  PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
  TERM: 'xterm-256color',
  LANG: 'C.UTF-8',
  TMPDIR: temporary,
  // Claude Code puts sockets and scratch files into /tmp, whatever TMPDIR says.
  CLAUDE_CODE_TMPDIR: temporary,
  ANTHROPIC_BASE_URL: apiUrl,
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_MAX_RETRIES: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_AUTOUPDATER: '1',
  // Claude Code refuses some modes to root outside a sandbox.
  ...(process.getuid?.() === 0 && { IS_SANDBOX: '1' }),
})

const readTranscripts = (projects: string): Transcript[] =>
  listFolder(projects)
    .flatMap((slug) => listFolder(join(projects, slug)).map((file) => join(projects, slug, file)))
    .filter((path) => path.endsWith('.jsonl'))
    .sort()
    .map((path) => ({ path, sessionId: path.slice(path.lastIndexOf('/') + 1, -6), rows: readRows(path) }))

/** A last line without its line feed is still being written, and left out. */
const readRows = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

const listFolder = (path: string) => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

const writePrivate = (path: string, value: object) =>
  writeFileSync(path, JSON.stringify(value), { mode: 0o600 })
