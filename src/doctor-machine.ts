import fs from 'node:fs'
import path from 'node:path'
import type { Check } from './core/doctor.ts'
import { quoteWord } from './core/words.ts'
import type { DoctorWorld, Look } from './doctor.ts'
import { createSessionFolder } from './folder.ts'
import { LONGEST_SOCKET_PATH } from './key.ts'
import { describeNotifiers } from './notify.ts'
import { type Ending, loadPty } from './pty.ts'
import { openSharedState } from './state.ts'

/** What claudef needs of the machine: Node, terminals, a way to notify, and room for its files. */
export const MACHINE_CHECKS: Look[] = [
  { name: 'Node', look: () => [checkNode(process.versions.node)] },
  { name: 'node-pty', look: checkPty },
  { name: 'terminal', look: checkTerminal },
  { name: 'notifications', look: checkNotifier },
  { name: 'home', look: checkHome },
  { name: 'files', look: checkFiles },
  { name: 'socket', look: checkSocket },
]

/** The least that the bottom row and a question on it need. */
const LEAST_SIZE = { columns: 40, rows: 8 }

const TROUBLE = 'Without it claudef goes on, but sessions know nothing of each other.'

/** As `engines` in package.json has it. */
export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isFine = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24
  if (isFine) return { name: 'Node', status: 'ok', text: version }
  const repair = 'Install Node 20.19, 22.12, 24 or later, and claudef again with it.'
  const status = major < 20 || (major === 20 && minor < 19) ? 'problem' : 'warning'
  return { name: 'Node', status, text: `${version}, which claudef is not made for`, repair }
}

/** Starts a program on a terminal of its own, for a module that loads may still find no `/dev/ptmx`. */
async function checkPty({ env }: DoctorWorld): Promise<Check[]> {
  const name = 'node-pty'
  try {
    const open = loadPty()
    const ending = await new Promise<Ending>((resolve) => {
      open({
        ...{ file: '/bin/sh', args: ['-c', 'exit 0'], env: { PATH: env.PATH }, cwd: '/' },
        size: { columns: 80, rows: 24 },
        onOutput: () => true,
        onDrain: () => {},
        onEnd: resolve,
      })
    })
    if (ending.type === 'exit' && ending.code === 0) return [{ name, status: 'ok', text: 'opens terminals' }]
    return [
      { name, status: 'problem', text: `a shell on a new terminal ended with ${JSON.stringify(ending)}` },
    ]
  } catch (error) {
    const repair = 'Install claudef again with this Node. In a container: mount /dev/pts.'
    const text = `no terminal can be opened: ${(error as Error).message}`
    return [{ name, status: 'problem', text, repair }]
  }
}

function checkTerminal({ env, stdin, stdout }: DoctorWorld): Check[] {
  const name = 'terminal'
  if (!stdin.isTTY || !stdout.isTTY) {
    const repair =
      'Run it in the terminal where you run claudef. There claudef needs both, else it only passes through.'
    return [{ name, status: 'warning', text: 'stdin or stdout is none, so it was not checked', repair }]
  }
  const { columns = 0, rows = 0 } = stdout
  const term = env.TERM ?? ''
  const inside = env.TMUX ? ', in tmux' : env.STY ? ', in screen' : ''
  const text = `${columns}x${rows}, TERM ${term || 'not set'}${inside}`
  if (columns < LEAST_SIZE.columns || rows < LEAST_SIZE.rows) {
    const repair = `Make it at least ${LEAST_SIZE.columns}x${LEAST_SIZE.rows}: claudef's row is cut or left out.`
    return [{ name, status: 'warning', text, repair }]
  }
  if (term === '' || term === 'dumb' || term === 'unknown') {
    return [
      { name, status: 'warning', text, repair: 'Set TERM to what your terminal is, such as xterm-256color.' },
    ]
  }
  return [{ name, status: 'ok', text }]
}

function checkNotifier({ env, config, stdout, log }: DoctorWorld): Check[] {
  const name = 'notifications'
  if (!config.notify) return [{ name, status: 'ok', text: 'off, as CLAUDE_FALLBACK_NOTIFY says' }]
  const ways = describeNotifiers({
    ...{ env, platform: process.platform, log, setting: 'on' },
    command: config.notifyCommand,
    ...(stdout.isTTY && { terminal: (sequence: string) => void stdout.write(sequence) }),
  })
  const [first, ...others] = ways.filter(({ usable }) => usable)
  if (first === undefined) {
    const reasons = ways.map((way) => `${way.name}: ${way.reason}`).join('; ')
    const repair = 'Set CLAUDE_FALLBACK_NOTIFY_COMMAND to a command of your own, or install notify-send.'
    return [{ name, status: 'warning', text: `there is no way (${reasons})`, repair }]
  }
  const rest = others.length === 0 ? '' : `, then ${others.map((way) => way.name).join(', ')}`
  return [{ name, status: 'ok', text: `by ${first.name} (${first.reason})${rest}` }]
}

/** Writes a little, for rights alone do not tell of a full disk or a read-only mount. */
function checkHome({ config }: DoctorWorld): Check[] {
  const name = 'home'
  try {
    const folder = fs.mkdtempSync(path.join(config.home, '.claude_fallback_doctor-'))
    try {
      fs.writeFileSync(path.join(folder, 'test'), 'x'.repeat(4096))
    } finally {
      fs.rmSync(folder, { recursive: true, force: true })
    }
    return [{ name, status: 'ok', text: `${config.home} can be written to` }]
  } catch (error) {
    const repair = `Make it yours to write to, or set CLAUDE_FALLBACK_HOME to a folder that is. ${TROUBLE}`
    const text = `${config.home} cannot be written to: ${(error as Error).message}`
    return [{ name, status: 'problem', text, repair }]
  }
}

const FILES = [
  '.claude_fallback_state.json',
  '.claude_fallback_active',
  '.claude_fallback.pid',
  '.claude_fallback_spend.jsonl',
  '.claude_fallback_error.log',
  '.claude_fallback_error.log.1',
]

async function checkFiles({ config, now }: DoctorWorld): Promise<Check[]> {
  const files = FILES.map((file) => path.join(config.home, file))
  const checks = files.flatMap((file) => checkFile(file))
  const told: string[] = []
  await openSharedState({ home: config.home, now, log: (message) => told.push(message) }).read()
  const repair =
    'Nothing to do: the next session that writes it keeps what is of use, and a copy of the rest.'
  for (const text of told) checks.push({ name: 'files', status: 'warning', text, repair })
  if (checks.length > 0) return checks
  const there = files.filter((file) => fs.existsSync(file)).length
  return [{ name: 'files', status: 'ok', text: `${there} in ${config.home}, for you alone` }]
}

function checkFile(file: string): Check[] {
  const name = 'files'
  const stats = fs.statSync(file, { throwIfNoEntry: false })
  // Turning a file off with a link to /dev/null is a choice.
  if (stats === undefined || stats.isCharacterDevice()) return []
  if (!stats.isFile()) {
    return [{ name, status: 'problem', text: `${file} is no file`, repair: 'Move it away.' }]
  }
  const uid = process.getuid?.()
  if (uid !== undefined && uid !== 0 && stats.uid !== uid) {
    const repair = `Take it back: sudo chown "$USER" ${quoteWord(file)}`
    return [{ name, status: 'problem', text: `${file} belongs to user ${stats.uid}`, repair }]
  }
  if ((stats.mode & 0o077) === 0) return []
  const text = `${file} can be read by others (mode ${(stats.mode & 0o777).toString(8)})`
  return [{ name, status: 'warning', text, repair: `chmod 600 ${quoteWord(file)}` }]
}

/** Makes the folder that a session makes, and takes it away again. */
function checkSocket({ env }: DoctorWorld): Check[] {
  const name = 'socket'
  try {
    const folder = createSessionFolder(env)
    folder.remove()
    const bytes = Buffer.byteLength(path.join(folder.path, 'key'))
    const text = `${path.dirname(folder.path)} holds a session's files`
    if (bytes <= LONGEST_SOCKET_PATH) return [{ name, status: 'ok', text }]
    const repair = 'Set XDG_RUNTIME_DIR or TMPDIR to a shorter path.'
    return [{ name, status: 'problem', text: `${text}, but is too long for a socket`, repair }]
  } catch (error) {
    const repair = 'Set XDG_RUNTIME_DIR or TMPDIR to a folder that you may write to.'
    const text = `no folder for a session can be made: ${(error as Error).message}`
    return [{ name, status: 'problem', text, repair }]
  }
}
