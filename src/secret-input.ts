import { setTimeout as sleep } from 'node:timers/promises'
import type { Companion } from './companion.ts'

/** The most that is read of a pipe, characters. */
const MOST_READ = 65_536
/** How long more is awaited once a line has ended, ms: what was pasted behind it must not reach the shell. */
const REST_MS = 100
/** Each would end this process with the terminal still raw. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

type Streams = Pick<Companion, 'stdin' | 'stderr'>

/** All of a pipe, of which more than 64 Ki characters are dropped. */
export async function readPipe(stdin: NodeJS.ReadStream): Promise<string> {
  stdin.setEncoding('utf8')
  let text = ''
  for await (const chunk of stdin) {
    text += chunk
    if (text.length > MOST_READ) break
  }
  return text.slice(0, MOST_READ)
}

/**
 * Asks at the terminal for one line. The terminal's attributes are put back on every way out, but for SIGKILL.
 * @param isShown whether what is typed is seen
 * @returns the line, with what was pasted behind it; `undefined` for Ctrl+C, Ctrl+D on an empty line, and a terminal
 * that hangs up
 */
export async function askTerminal(
  { stdin, stderr }: Streams,
  { prompt, isShown }: { prompt: string; isShown: boolean },
): Promise<string | undefined> {
  const restore = makeRaw(stdin)
  try {
    stderr.write(prompt)
    return await typeLine(stdin, isShown ? (text) => stderr.write(text) : () => {})
  } finally {
    restore()
    stdin.pause()
    stderr.write('\n')
  }
}

/** @returns what puts the terminal back as it was */
function makeRaw(stdin: NodeJS.ReadStream): () => void {
  const listeners = SIGNALS.map((signal) => {
    const listener = () => {
      restore()
      process.kill(process.pid, signal)
    }
    return { signal, listener }
  })
  const restore = () => {
    for (const { signal, listener } of listeners) process.off(signal, listener)
    try {
      stdin.setRawMode(false)
    } catch {
      // It has hung up.
    }
  }
  for (const { signal, listener } of listeners) process.on(signal, listener)
  stdin.setRawMode(true)
  return restore
}

type Typed = {
  line: string
  /** The beginning of a key's sequence, whose end has not come yet. */
  cut: string
  rest: string
  end: 'given' | 'cancelled' | undefined
}

async function typeLine(stdin: NodeJS.ReadStream, show: (text: string) => void): Promise<string | undefined> {
  const typed: Typed = { line: '', cut: '', rest: '', end: undefined }
  let onData: (chunk: Buffer | string) => void = () => {}
  let onEnd = () => {}
  try {
    await new Promise<void>((resolve) => {
      onData = (chunk) => {
        if (typed.end === undefined) typeChunk(typed, String(chunk), show)
        else typed.rest += chunk
        if (typed.end !== undefined) resolve()
      }
      onEnd = () => {
        typed.end ??= 'cancelled'
        resolve()
      }
      stdin.on('data', onData)
      for (const event of ENDS) stdin.on(event, onEnd)
      // A second question finds it paused by the first.
      stdin.resume()
    })
    await sleep(REST_MS)
  } finally {
    stdin.off('data', onData)
    for (const event of ENDS) stdin.off(event, onEnd)
  }
  if (typed.end === 'cancelled') return undefined
  const rest = typed.rest.replace(SEQUENCES, '')
  return rest.trim() === '' ? typed.line : `${typed.line}\n${rest}`
}

const ENDS = ['end', 'close', 'error'] as const

/** The marks around what is pasted, and keys such as the arrows. */
const SEQUENCES = /\u001b(\[[0-9;?]*[ -/]*[@-~]|O.|.)?/g
const CUT_SEQUENCE = /\u001b(\[[0-9;?]*[ -/]*|O)?$/

/** What was typed or pasted: text, and the keys that edit or end the line. */
function typeChunk(typed: Typed, chunk: string, show: (text: string) => void): void {
  // Esc by itself is a key, too.
  const isEscape = typed.cut === '\u001b' && !/^[[O]/.test(chunk)
  const text = isEscape ? chunk : typed.cut + chunk
  typed.cut = CUT_SEQUENCE.exec(text)?.[0] ?? ''
  const chars = [...text.slice(0, text.length - typed.cut.length).replace(SEQUENCES, '')]
  for (const [at, char] of chars.entries()) {
    const rest = chars.slice(at + 1).join('')
    const isLineEnd = char === '\r' || char === '\n'
    // A line feed that was copied in front of the text.
    if (isLineEnd && typed.line.trim() === '' && rest.trim() !== '') continue
    if (isLineEnd || char === '\u0004' || char === '\u0003') {
      const isCancelled = char === '\u0003' || (char === '\u0004' && typed.line === '')
      typed.end = isCancelled ? 'cancelled' : 'given'
      typed.rest = rest + typed.cut
      return
    }
    if (char === '\u007f' || char === '\b') typed.line = [...typed.line].slice(0, -1).join('')
    else if (char === '\u0015') typed.line = ''
    else if (char === '\t' || char >= ' ') {
      typed.line += char
      show(char)
    }
  }
}
