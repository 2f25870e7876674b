import fs from 'node:fs'
import path from 'node:path'
import { childEnvironment, configFolder, findClaude, readLogin } from './claude.ts'
import { parseArgs } from './core/args.ts'
import type { Check } from './core/doctor.ts'
import { isObject } from './core/settings.ts'
import type { DoctorWorld, Look } from './doctor.ts'
import { settingsFiles } from './settings-files.ts'

/** What claudef needs of Claude Code: the program, its folders, its login and its settings. */
export const CLAUDE_CHECKS: Look[] = [
  { name: 'Claude Code', look: checkProgram },
  { name: 'login', look: checkLogin },
  { name: 'transcripts', look: checkTranscripts },
  { name: 'hooks', look: checkHooks },
  { name: 'custom key', look: checkKeyAnswers },
]

/** Below it, resumed conversations may fail on stale signatures of thinking. */
const SUPPORTED = [2, 1, 152] as const
/** Below it, claudef does what it can. */
const OLDEST = [2, 0, 76] as const
/** How long `claude --version` may take, in ms. */
const VERSION_MS = 10_000

async function checkProgram(world: DoctorWorld): Promise<Check[]> {
  const name = 'Claude Code'
  const own = path.join(import.meta.dirname, '../bin/claudef.js')
  const found = findClaude({ ...world, own, chosen: world.config.claude })
  if (found.type === 'missing') {
    const [text = '', repair = ''] = found.sentence.split(/(?<=\.) (?=Install )/)
    return [{ name, status: 'problem', text, repair }]
  }
  const answer = await askVersion(found.path, world)
  const version = /(\d+)\.(\d+)\.(\d+)/.exec(answer)
  if (version === null) {
    const text = `${found.path} does not tell its version${answer === '' ? ` within ${VERSION_MS / 1000} s` : ''}`
    const repair = `Try \`${found.path} --version\`. If it fails, install Claude Code again.`
    return [{ name, status: 'problem', text, repair }]
  }
  const numbers = version.slice(1).map(Number)
  const text = `${version[0]}, ${found.path}`
  if (isAtLeast(numbers, SUPPORTED)) return [{ name, status: 'ok', text }]
  const status = isAtLeast(numbers, OLDEST) ? 'warning' : 'problem'
  const how = status === 'warning' ? 'works, but not in all cases' : 'is too old for claudef'
  const repair = `Update it with \`claude update\` to ${SUPPORTED.join('.')} or later.`
  return [{ name, status, text: `${text}: ${how}`, repair }]
}

/** What it printed; '' where it does not end in time. It gets no key. */
async function askVersion(file: string, world: DoctorWorld): Promise<string> {
  const { execa } = await import('execa')
  const env = childEnvironment(world.env)
  const child = execa(file, ['--version'], {
    ...{ env, extendEnv: false, cwd: '/', detached: true, reject: false, maxBuffer: 65_536 },
    ...{ stdin: 'ignore', stderr: 'ignore' },
  } as const)
  // What it has started may hold its output open.
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  let timer: NodeJS.Timeout | undefined
  const tooSlow = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(''), VERSION_MS)
  })
  const answer = child.then(({ stdout }) => stdout || ' ')
  const text = await Promise.race([answer, tooSlow])
  clearTimeout(timer)
  kill()
  return text
}

function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  const at = least.findIndex((number, index) => number !== version[index])
  return at === -1 || (version[at] ?? 0) > (least[at] ?? 0)
}

function checkLogin(world: DoctorWorld): Check[] {
  const name = 'login'
  const broken = readJson(globalConfigFile(world))
  if (broken.type === 'unreadable') {
    const repair = 'Repair that file, or move it away and run `claude` to log in again.'
    return [{ name, status: 'problem', text: broken.why, repair }]
  }
  const login = readLogin({ ...world, tokens: parseArgs([]) })
  if (login.type === 'subscription') return [{ name, status: 'ok', text: 'a subscription login' }]
  const text = `claudef only passes through: ${login.reason}`
  // What stands in the way otherwise was set by somebody, and may be meant.
  if (login.reason === 'there is no subscription login') {
    return [{ name, status: 'problem', text, repair: 'Run `claude` and log in with /login.' }]
  }
  return [{ name, status: 'warning', text, repair: 'Take that away, if a subscription is to be used.' }]
}

/** The folders of each config folder that is followed. */
function checkTranscripts({ env, home, config }: DoctorWorld): Check[] {
  const folders = [...new Set([configFolder(env, home), ...config.configDirs])]
  return folders.map((folder) => checkProjects(path.join(folder, 'projects')))
}

function checkProjects(folder: string): Check {
  const name = 'transcripts'
  try {
    const files = listTranscripts(folder)
    const closed = files.filter((file) => !isReadable(file))
    if (closed.length === 0) {
      const noun = files.length === 1 ? 'transcript' : 'transcripts'
      return { name, status: 'ok', text: `${files.length} ${noun} in ${folder}` }
    }
    const text = `${closed.length} of ${files.length} in ${folder} cannot be read, such as ${closed[0]}`
    return { name, status: 'problem', text, repair: `Make them yours again: sudo chown -R "$USER" ${folder}` }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') {
      const repair =
        'It comes with the first prompt in `claude`; if there were some, look at CLAUDE_CONFIG_DIR.'
      return { name, status: 'warning', text: `there is no ${folder} yet`, repair }
    }
    const repair = `Make it a folder that you may read: see \`ls -ld ${folder}\`.`
    return { name, status: 'problem', text: `${folder} cannot be read: ${message}`, repair }
  }
}

/** @throws where a folder cannot be read */
function listTranscripts(folder: string): string[] {
  const isFolder = (entry: fs.Dirent) =>
    entry.isDirectory() ||
    (entry.isSymbolicLink() &&
      fs.statSync(path.join(folder, entry.name), { throwIfNoEntry: false })?.isDirectory())
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter(isFolder)
    .flatMap(({ name }) =>
      fs.readdirSync(path.join(folder, name)).map((file) => path.join(folder, name, file)),
    )
    .filter((file) => file.endsWith('.jsonl'))
}

function isReadable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.R_OK)
    return true
  } catch {
    return false
  }
}

function checkHooks(world: DoctorWorld): Check[] {
  const name = 'hooks'
  const checks: Check[] = []
  const { env, home, cwd } = world
  const files = settingsFiles({ configDir: configFolder(env, home), cwd }).map((file) => file.path)
  // In the home folder the user's are the project's.
  for (const file of new Set(files)) {
    const found = readJson(file)
    if (found.type === 'unreadable') {
      const repair = 'Repair it: Claude Code cannot read it either.'
      checks.push({ name, status: 'warning', text: found.why, repair })
    }
    if (found.type !== 'value') continue
    const setting = ['disableAllHooks', 'allowManagedHooksOnly'].find((key) => found.value[key] === true)
    if (setting === undefined) continue
    // claudef then reads what Claude Code keeps of its processes, which 2.1.330 does and older versions do not.
    const text = `${setting} in ${file}: an older Claude Code then does not tell claudef of /clear and /resume, nor does any show its status line`
    checks.push({ name, status: 'warning', text, repair: `Take ${setting} out, if you can.` })
  }
  return checks.length > 0 ? checks : [{ name, status: 'ok', text: 'no settings turn them off' }]
}

/** Claude Code keeps the answer to "Detected a custom API key" by the key's last 20 characters. */
function checkKeyAnswers(world: DoctorWorld): Check[] {
  const name = 'custom key'
  const key = world.env.ANTHROPIC_API_KEY
  if (!key) return [{ name, status: 'ok', text: 'no ANTHROPIC_API_KEY is in the environment' }]
  const global = readJson(globalConfigFile(world))
  const answers = global.type === 'value' ? global.value.customApiKeyResponses : undefined
  const isIn = (list: unknown) => Array.isArray(list) && list.includes(key.slice(-20))
  const { approved, rejected } = isObject(answers) ? answers : {}
  if (isIn(approved)) {
    const text = 'ANTHROPIC_API_KEY was approved in Claude Code: plain claude bills the API, limit or not'
    const repair = 'Put the key into CLAUDE_FALLBACK_API_KEY or `claude-fallback key set` instead.'
    return [{ name, status: 'warning', text, repair }]
  }
  // claudef hands keys over in another way, which asks nothing and heeds no such answer.
  if (isIn(rejected))
    return [
      { name, status: 'ok', text: 'ANTHROPIC_API_KEY was rejected in Claude Code: only claudef uses it' },
    ]
  const text = 'ANTHROPIC_API_KEY is set, and plain claude will ask whether to use it'
  const repair = 'Answer No there, or keep the key in CLAUDE_FALLBACK_API_KEY.'
  return [{ name, status: 'warning', text, repair }]
}

function globalConfigFile({ env, home }: DoctorWorld): string {
  return path.join(env.CLAUDE_CONFIG_DIR || home, '.claude.json')
}

type Json =
  | { type: 'value'; value: Record<string, unknown> }
  | { type: 'missing' }
  | { type: 'unreadable'; why: string }

function readJson(file: string): Json {
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { type: 'missing' }
    return { type: 'unreadable', why: `${file} cannot be read: ${message}` }
  }
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return { type: 'value', value }
  } catch {
    // Not with the parser's words: they quote the file.
  }
  return { type: 'unreadable', why: `${file} holds no JSON object` }
}
