import path from 'node:path'
import { loadConfigFile } from './config-file.ts'
import { type ConfigFile, explainUnknown } from './core/config-file.ts'
import type { Layer } from './core/option-values.ts'
import {
  OPTION_KEYS,
  OPTIONS,
  type OptionKey,
  type OptionValues,
  parseOption,
  VARIABLES_ONLY,
} from './core/options.ts'
import type { Billing } from './core/policy.ts'
import type { SwitchKey } from './core/switch-key.ts'
import { homeFolder } from './home.ts'

/** Every setting of claudef; names, defaults and meaning stand in `OPTIONS`. Never print it whole: it may hold a key. */
export type Config = {
  apiKey: string | undefined
  /** A program and its arguments. */
  apiKeyCommand: string[] | undefined
  autoRestart: boolean
  autoReturn: boolean
  /** `undefined` where nobody has said: the shared mode, then the subscription. */
  billing: Billing | undefined
  continuePrompt: string
  claude: string | undefined
  switchKey: SwitchKey
  notify: boolean
  notifyCommand: string[] | undefined
  statusLine: boolean
  /** USD; `Infinity` for no cap; 0 for no API billing. */
  maxUsd: number
  maxUsdPerDay: number
  debug: boolean
  configDirs: string[]
  /** `CLAUDE_FALLBACK_HOME`: the folder of the log and state files. Default: the home folder. */
  home: string
  /** Where each setting comes from; for a cap that cannot be read, where it stands. */
  sources: Record<OptionKey, Source>
  /** The config file that was read. */
  file: string | undefined
}

type Source = Layer | 'default'

type Reading = {
  env: NodeJS.ProcessEnv
  home: string
  path: string
  file: ConfigFile
  /** Variables that are misspelt. */
  unclear: Set<OptionKey>
  /** There is a file, but nobody knows what it says. */
  isUnreadable: boolean
  sources: Record<OptionKey, Source>
  problems: string[]
}

/**
 * Reads the settings: environment over config file over defaults. What cannot be read keeps its default, but for caps,
 * which then count as 0, and a sentence says so. Never throws.
 * @param uid whose files are trusted beside root's. Default: the user's own
 */
export function readConfig(
  env: NodeJS.ProcessEnv,
  { uid = process.getuid?.() }: { uid?: number | undefined } = {},
): { config: Config; problems: string[] } {
  const problems: string[] = []
  const home = homeFolder(env)
  const place = findConfigFile(env, home)
  const found =
    place.path === undefined ? undefined : loadConfigFile(place.path, { uid, isNamed: place.isNamed })
  if (place.problem !== undefined) problems.push(place.problem)
  if (found?.type === 'refused') problems.push(found.sentence)
  const file: ConfigFile = found?.type === 'file' ? found.file : NO_FILE
  problems.push(...file.problems)
  const reading: Reading = {
    env,
    home,
    path: place.path ?? '',
    file,
    unclear: findMisspelt(env, problems),
    isUnreadable: place.path === undefined || found?.type === 'refused',
    sources: Object.fromEntries(OPTION_KEYS.map((key) => [key, 'default'])) as Reading['sources'],
    problems,
  }
  const config = { ...chooseAll(reading), home: ownFolder(env, home, problems), sources: reading.sources }
  return { config: { ...config, file: found?.type === 'file' ? place.path : undefined }, problems }
}

const NO_FILE: ConfigFile = { values: new Map(), unclear: new Set(), problems: [] }

/**
 * Where the config file is, there or not: `CLAUDE_FALLBACK_CONFIG`, else below `XDG_CONFIG_HOME`, else below `~/.config`.
 * Never in the current folder: a repository that was cloned must not be able to turn on spending.
 * @returns no path where the named one is refused
 */
export function findConfigFile(
  env: NodeJS.ProcessEnv,
  home: string = homeFolder(env),
): { path: string | undefined; isNamed: boolean; problem: string | undefined } {
  const named = env.CLAUDE_FALLBACK_CONFIG?.trim()
  if (named) {
    if (path.isAbsolute(named)) return { path: named, isNamed: true, problem: undefined }
    const problem = `CLAUDE_FALLBACK_CONFIG is '${named}', a relative path: no config file is read, and its caps count as 0 (no API billing). Set it to an absolute path.`
    return { path: undefined, isNamed: true, problem }
  }
  const xdg = env.XDG_CONFIG_HOME?.trim()
  const isUsable = xdg !== undefined && path.isAbsolute(xdg)
  const base = isUsable ? xdg : path.join(home, '.config')
  const problem =
    xdg && !isUsable
      ? `XDG_CONFIG_HOME is '${xdg}', a relative path: claudef looks in '${base}' instead. Set it to an absolute path.`
      : undefined
  return { path: path.join(base, 'claude-fallback', 'config.json'), isNamed: false, problem }
}

function ownFolder(env: NodeJS.ProcessEnv, home: string, problems: string[]): string {
  const own = env.CLAUDE_FALLBACK_HOME
  if (!own?.trim()) return home
  if (path.isAbsolute(own)) return own
  problems.push(
    `CLAUDE_FALLBACK_HOME is '${own}', a relative path: '${home}' is used. Set it to an absolute path.`,
  )
  return home
}

/** Variables of ours that nobody reads, where it can be told what was meant. */
function findMisspelt(env: NodeJS.ProcessEnv, problems: string[]): Set<OptionKey> {
  const unclear = new Set<OptionKey>()
  const known = new Set<string>(
    [...Object.values(OPTIONS), ...VARIABLES_ONLY].map(({ variable }) => variable),
  )
  for (const name of Object.keys(env)) {
    if (!name.startsWith('CLAUDE_FALLBACK_') || known.has(name)) continue
    const { near, sentence } = explainUnknown(name, '', (key) => OPTIONS[key].variable)
    if (near === undefined) continue
    unclear.add(near)
    problems.push(sentence)
  }
  return unclear
}

function chooseAll(reading: Reading): Omit<Config, 'home' | 'sources' | 'file'> {
  const claude = choose(reading, 'claude')
  return {
    apiKey: choose(reading, 'api_key'),
    apiKeyCommand: choose(reading, 'api_key_command'),
    autoRestart: choose(reading, 'auto_restart'),
    autoReturn: choose(reading, 'auto_return'),
    billing: choose(reading, 'billing'),
    continuePrompt: choose(reading, 'continue_prompt'),
    claude: claude === undefined ? undefined : expandHome(claude, reading.home),
    switchKey: choose(reading, 'switch_key'),
    notify: choose(reading, 'notify'),
    notifyCommand: choose(reading, 'notify_command'),
    statusLine: choose(reading, 'status_line'),
    maxUsd: choose(reading, 'max_usd'),
    maxUsdPerDay: choose(reading, 'max_usd_per_day'),
    debug: choose(reading, 'debug'),
    configDirs: choose(reading, 'config_dirs').map((folder) => expandHome(folder, reading.home)),
  }
}

/** One setting from the first layer that has it. */
function choose<Key extends OptionKey>(reading: Reading, key: Key): OptionValues[Key] {
  const { env, file, sources, problems } = reading
  const option = OPTIONS[key]
  const fallBack = (layer: Layer): OptionValues[Key] => {
    if (option.unreadable === undefined) return option.default
    sources[key] = layer
    return option.unreadable
  }
  const variable = env[option.variable]
  const isSet = variable !== undefined && (variable.trim() !== '' || option.takesBlank === true)
  if (!isSet && reading.unclear.has(key)) return fallBack('environment')
  if (!isSet && !file.values.has(key)) {
    return file.unclear.has(key) || reading.isUnreadable ? fallBack('file') : option.default
  }
  const layer = isSet ? 'environment' : 'file'
  const name = isSet ? option.variable : `${key} in '${reading.path}'`
  const parsed = parseOption(key, isSet ? variable : file.values.get(key), { layer, name })
  if (parsed.type === 'problem') {
    problems.push(parsed.sentence)
    return fallBack(layer)
  }
  sources[key] = layer
  return parsed.value
}

function expandHome(file: string, home: string): string {
  return file === '~' || file.startsWith('~/') ? path.join(home, file.slice(1)) : file
}
