import fs from 'node:fs'
import path from 'node:path'
import { hasOption, optionValue, type Token } from './core/args.ts'
import { isInlineJson, isObject } from './core/settings.ts'
import { KEY_VARIABLES } from './key.ts'
import { settingsFiles } from './settings-files.ts'

/** Where Claude Code was found, or where it was looked for. */
export type FoundClaude = { type: 'found'; path: string } | { type: 'missing'; sentence: string }

/** Whether a session runs on a subscription login, which alone has a limit to fall back from. */
export type Login = { type: 'subscription' } | { type: 'none'; reason: string }

type World = { env: NodeJS.ProcessEnv; home: string; cwd: string }

/** Variables by which Claude Code is told to use another provider or another credential than its login. */
const OTHER_PROVIDERS = [
  'BEDROCK',
  'VERTEX',
  'FOUNDRY',
  'MANTLE',
  'ANTHROPIC_AWS',
  'ANTHROPIC_GOOGLE_CLOUD',
  'GATEWAY',
]

/**
 * Finds the real Claude Code: `CLAUDE_FALLBACK_CLAUDE`, then PATH without claudef itself (a link to it, or a script
 * that calls it), then the places where its installers put it.
 * @param own absolute path of claudef's own executable
 */
export function findClaude(world: World & { own: string; chosen: string | undefined }): FoundClaude {
  const { env, home, cwd, own, chosen } = world
  // An empty entry is the working folder, as shells have it; a PATH that is empty altogether is none.
  const onPath = env.PATH ? env.PATH.split(path.delimiter).map((folder) => path.resolve(cwd, folder)) : []
  if (chosen !== undefined) {
    const named = chosen.includes('/')
      ? [path.resolve(cwd, chosen)]
      : onPath.map((folder) => path.join(folder, chosen))
    const found = named.find((file) => isExecutable(file) && !isClaudef(file, own))
    if (found !== undefined) return { type: 'found', path: found }
    return {
      type: 'missing',
      sentence: `CLAUDE_FALLBACK_CLAUDE is '${chosen}', which is not a program that can be run. ${INSTALL}`,
    }
  }
  const installed = [
    path.join(home, '.local/bin'),
    path.join(home, '.claude/local'),
    ...globalFolders(env, home),
  ]
  const found = [...onPath, ...installed]
    .map((folder) => path.join(folder, 'claude'))
    .find((file) => isExecutable(file) && !isClaudef(file, own))
  if (found !== undefined) return { type: 'found', path: found }
  return {
    type: 'missing',
    sentence: `Claude Code was not found on PATH, nor in ${installed.join(', ')}. ${INSTALL}`,
  }
}

const INSTALL =
  'Install it with `npm install -g @anthropic-ai/claude-code`, or set CLAUDE_FALLBACK_CLAUDE to the path of your claude.'

/** Claude Code's folder: `CLAUDE_CONFIG_DIR`, else `~/.claude`. */
export function configFolder(env: NodeJS.ProcessEnv, home: string): string {
  return env.CLAUDE_CONFIG_DIR || path.join(home, '.claude')
}

/**
 * Tells whether this session would be billed to a subscription, without a look at Claude Code's credentials: by the
 * account it names in `.claude.json`, its settings and the environment.
 */
export function readLogin(world: World & { tokens: readonly Token[] }): Login {
  const { env, tokens } = world
  const out = (reason: string): Login => ({ type: 'none', reason })
  if (env.ANTHROPIC_AUTH_TOKEN) return out('ANTHROPIC_AUTH_TOKEN is set')
  if (hasOption(tokens, '--bare')) return out('--bare never uses the login')
  for (const settings of [{ env }, ...readSettings(world)]) {
    const other = otherBilling(settings, settings.env === env)
    if (other !== undefined) return out(other)
  }
  const global = readGlobalConfig(world)
  if (!isObject(global.oauthAccount) && !env.CLAUDE_CODE_OAUTH_TOKEN)
    return out('there is no subscription login')
  const key = env.ANTHROPIC_API_KEY
  if (key && !env.CLAUDE_FALLBACK_API_KEY?.trim() && isApproved(global, key)) {
    return out('ANTHROPIC_API_KEY was approved in Claude Code: it pays on purpose')
  }
  return { type: 'subscription' }
}

/**
 * The folders that Claude Code would ask about, as it does with `--add-dir` at every start until an ancestor of theirs
 * is trusted (measured on 2.1.330).
 */
export function untrustedFolders(world: World, folders: readonly string[]): string[] {
  if (folders.length === 0) return []
  const { projects } = readGlobalConfig(world)
  const isTrusted = (folder: string): boolean => {
    const project = isObject(projects) ? projects[folder] : undefined
    if (isObject(project) && project.hasTrustDialogAccepted === true) return true
    const parent = path.dirname(folder)
    return parent !== folder && isTrusted(parent)
  }
  return folders.filter((folder) => !isTrusted(path.resolve(world.cwd, folder)))
}

/**
 * Why the keys of the input box may mean something else than they do by default, as far as settings tell (2.1.330);
 * `undefined`: they do not.
 */
export function readEditing(world: World & { tokens: readonly Token[] }): string | undefined {
  const all = [readGlobalConfig(world), ...readSettings(world)]
  if (all.some(({ editorMode }) => editorMode === 'vim')) return 'vim mode'
  const isBound = fs.existsSync(path.join(configFolder(world.env, world.home), 'keybindings.json'))
  return isBound ? 'key bindings' : undefined
}

/** The environment of a child of claudef's: the user's own, less every key that Claude Code could pay with. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !KEY_VARIABLES.includes(name)))
}

/**
 * The user's own `--settings`, a path or JSON.
 * @throws where the file cannot be read or is no JSON object; Claude Code itself then says so best.
 */
export function readSettingsOption(value: string | undefined, cwd: string): Record<string, unknown> {
  if (value === undefined) return {}
  const settings: unknown = JSON.parse(
    isInlineJson(value) ? value : fs.readFileSync(path.resolve(cwd, value), 'utf8'),
  )
  if (!isObject(settings)) throw new Error(`the settings are no JSON object`)
  return settings
}

/** All settings that Claude Code will see, as far as they can be read; a broken file is its own to report. */
function readSettings(world: World & { tokens: readonly Token[] }): Record<string, unknown>[] {
  const { env, home, cwd, tokens } = world
  const files = settingsFiles({ configDir: configFolder(env, home), cwd }).map((file) => file.path)
  return [...files, optionValue(tokens, '--settings')].map((value) => {
    try {
      return readSettingsOption(value, cwd)
    } catch {
      return {}
    }
  })
}

/** What in these settings, or in the environment, makes somebody else than the login pay. */
function otherBilling(settings: Record<string, unknown>, isProcess: boolean): string | undefined {
  const variables = isObject(settings.env) ? settings.env : {}
  const provider = OTHER_PROVIDERS.find((name) => isOn(variables[`CLAUDE_CODE_USE_${name}`]))
  if (provider !== undefined) return `CLAUDE_CODE_USE_${provider} is set`
  if (settings.apiKeyHelper) return 'the settings name an apiKeyHelper'
  if (settings.forceLoginMethod === 'console' || settings.forceLoginMethod === 'gateway') {
    return `forceLoginMethod is '${settings.forceLoginMethod}'`
  }
  // In a settings file a key is a choice; in the environment it may be there for other programs.
  if (!isProcess && (variables.ANTHROPIC_API_KEY || variables.ANTHROPIC_AUTH_TOKEN)) {
    return 'the settings hand Claude Code a key'
  }
  return undefined
}

function isOn(value: unknown): boolean {
  return ['1', 'true', 'yes', 'on'].includes(String(value ?? '').toLowerCase())
}

/** Claude Code keeps the answer to "Detected a custom API key" by the key's last 20 characters. */
function isApproved(global: Record<string, unknown>, key: string): boolean {
  const responses = isObject(global.customApiKeyResponses) ? global.customApiKeyResponses : {}
  return Array.isArray(responses.approved) && responses.approved.includes(key.slice(-20))
}

function readGlobalConfig({ env, home }: World): Record<string, unknown> {
  try {
    const file = path.join(env.CLAUDE_CONFIG_DIR || home, '.claude.json')
    const value: unknown = JSON.parse(fs.readFileSync(file, 'utf8'))
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** Where `npm install -g` puts programs: beside this Node, or where npm was told to. */
function globalFolders(env: NodeJS.ProcessEnv, home: string): string[] {
  const prefix = env.NPM_CONFIG_PREFIX ?? env.npm_config_prefix
  return [
    ...(prefix ? [path.join(prefix, 'bin')] : []),
    path.dirname(process.execPath),
    path.join(home, '.npm-global/bin'),
    '/usr/local/bin',
    '/opt/homebrew/bin',
  ]
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}

/** True for claudef under the name of claude: a link to it, or a script that names it as a program. */
function isClaudef(file: string, own: string): boolean {
  try {
    if (fs.realpathSync(file) === fs.realpathSync(own)) return true
    const start = readStart(file, 4096)
    const code = start.replace(/^[ \t]*(?:#(?!!)|\/\/).*$/gm, '')
    return start.startsWith('#!') && NAMES_CLAUDEF.test(code)
  } catch {
    return false
  }
}

/** `claudef "$@"`, `exec /opt/claudef/bin/claudef.js`, `npx claudef@1`; not a folder of the name on the way. */
const NAMES_CLAUDEF = /(?<![\w.@-])claudef(?:\.js)?(?![\w./-])/

function readStart(file: string, bytes: number): string {
  const descriptor = fs.openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(bytes)
    return buffer.toString('latin1', 0, fs.readSync(descriptor, buffer, 0, bytes, 0))
  } finally {
    fs.closeSync(descriptor)
  }
}
