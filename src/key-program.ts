import type { Duplex, Readable } from 'node:stream'

export type KeyProgramOptions = {
  /** The program's whole environment. */
  env: NodeJS.ProcessEnv
  /** How long it may take, ms; then it is killed with its process group. */
  timeLimit: number
  /** For its stdin, which stays open as long as this process and the program live. Default: none. */
  input?: string
}

/** What a program printed; and why that is worth nothing, if so: "it ended with exit code 1". */
export type Printed = { stdout: string; stderr: string; failure: string | undefined }

/** The most that is read of stdout and of stderr, bytes. */
const MOST_PRINTED = 65_536
/** How long a program that has ended may leave its output open to others, ms. */
const GRACE_MS = 500
const LONGEST_MESSAGE = 300

/**
 * What `/bin/sh` does before it becomes the program: beside it a process stays that kills the program's whole group
 * once this process is no more, be it by SIGKILL, and unless it gets a line. It is there first, so no moment is without
 * it; and it is no child of the program's, which may wait for all that it has.
 */
const LAUNCHER = `
command -v -- "$0" >/dev/null 2>&1 || exit 127
({ trap '' HUP INT TERM; read -r line <&3 || kill -KILL -"$$"; } </dev/null >/dev/null 2>&1 &)
exec "$0" "$@" 3<&-
`

/**
 * Runs a program that prints a secret: no shell reads its words, away from the terminal, in `/`, so that nothing in the
 * working folder is taken for a part of it. Killed with its process group after the time limit, or when this process ends.
 * Never rejects. Its stdout may stand in no log and on no screen; its stderr after `cleanMessage`.
 */
export async function runKeyProgram(
  file: string,
  args: string[],
  { env, timeLimit, input }: KeyProgramOptions,
): Promise<Printed> {
  // Loaded late: Claude Code starts first.
  const { execa } = await import('execa')
  const stdin = input === undefined ? 'ignore' : 'pipe'
  const child = execa('/bin/sh', ['-c', LAUNCHER, file, ...args], {
    ...{ env, extendEnv: false, cwd: '/', detached: true },
    ...{ stdio: [stdin, 'pipe', 'pipe', 'pipe'], buffer: false, reject: false },
  })
  const lifeline = child.stdio[3] as Duplex
  lifeline.on('error', () => {}).resume()
  const kill = () => killGroup(child.pid)
  process.once('exit', kill)
  const stderr = collect(child.stderr)
  let stdout = () => ''
  let timer: NodeJS.Timeout | undefined
  const failure = await new Promise<string | undefined>((resolve) => {
    const stop = (why: string) => {
      kill()
      resolve(why)
    }
    timer = setTimeout(stop, timeLimit, `it did not answer within ${timeLimit / 1000} s`)
    stdout = collect(child.stdout, () => stop(`it printed over ${MOST_PRINTED} bytes`))
    child.stdin?.on('error', () => {})
    if (input !== undefined) child.stdin?.write(input)
    // What it has started may go on and hold its output open.
    child.once('exit', (exitCode, signal) => {
      lifeline.end('\n')
      setTimeout(() => resolve(explain({ exitCode, signal }, stderr())), GRACE_MS)
    })
    void child.then((result) => resolve(explain(result, stderr())))
  })
  clearTimeout(timer)
  process.off('exit', kill)
  for (const stream of child.stdio) stream?.destroy()
  return { stdout: stdout(), stderr: stderr(), failure }
}

/**
 * Makes what a program said fit for a sentence: one line of at most 300 characters, without control characters and
 * without anything that looks like a key.
 * @param secrets texts that must not stand in it, whatever they look like
 */
export function cleanMessage(text: string, secrets: readonly string[] = []): string {
  let line = text
    .replace(/\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(\u0007|\u001b\\)?/g, '')
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
  for (const secret of secrets) if (secret.length >= 6) line = line.replaceAll(secret, '…')
  line = line
    .replace(/\bsk-[\w-]+/gi, 'sk-…')
    // A word without a meaning to people: a token.
    .replace(/(?=[\w+=-]*\d)(?=[\w+=-]*[a-z])[\w+=-]{32,}/gi, '…')
  return line.length > LONGEST_MESSAGE ? `${line.slice(0, LONGEST_MESSAGE - 1)}…` : line
}

/** Returns a function for what has come so far. What comes beyond the most is dropped. */
function collect(stream: Readable | undefined, onTooMuch: () => void = () => {}): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream?.on('error', () => {})
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > MOST_PRINTED) onTooMuch()
    else chunks.push(chunk)
  })
  return () => Buffer.concat(chunks).toString()
}

type Result = {
  code?: string | undefined
  exitCode?: number | null | undefined
  signal?: string | null | undefined
}

/** `said`: on stderr. The launcher ends with exit code 127 without a word, and a shell with 126 where it may not run. */
function explain({ code, exitCode, signal }: Result, said: string): string | undefined {
  if (exitCode === 127 && said === '') return 'there is no such program'
  if (exitCode === 126) return 'it could not be run'
  if (code !== undefined) return `it could not be run (${code})`
  if (signal) return `it was ended by ${signal}`
  return exitCode ? `it ended with exit code ${exitCode}` : undefined
}

/** The program is the leader of its own group. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
