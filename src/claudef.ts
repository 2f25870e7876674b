import { launch } from './launch.ts'

const ending = await launch({
  argv: process.argv.slice(2),
  env: process.env,
  own: process.argv[1] ?? '',
  cwd: currentFolder(),
  stdin: process.stdin,
  stdout: process.stdout,
  warn: (sentence) => void process.stderr.write(`claudef: ${sentence}\n`),
  now: Date.now,
})

/** Signals whose default action writes a core file: Node's own, if we died by them. 128 + n says the same. */
const CORE = { SIGQUIT: 131, SIGILL: 132, SIGTRAP: 133, SIGABRT: 134, SIGBUS: 135, SIGFPE: 136, SIGSEGV: 139 }

if (ending.type === 'exit') process.exitCode = ending.code
else if (ending.signal in CORE) process.exitCode = CORE[ending.signal as keyof typeof CORE]
else process.kill(process.pid, ending.signal)

/** A folder that has been removed is no reason not to start. */
function currentFolder(): string {
  try {
    return process.cwd()
  } catch {
    return process.env.PWD ?? '/'
  }
}
