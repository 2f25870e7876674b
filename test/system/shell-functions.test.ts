import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { renderBlock } from '../../src/core/rc-block.ts'
import { renderFunctions, SHELLS, type Shell } from '../../src/core/shell-functions.ts'
import { claudef, setUp as setUpShell } from '../support/claudef.ts'
import { waitUntil } from '../support/processes.ts'
import { bash, fish, openJob, zsh } from '../support/shell.ts'
import { openOwnScreen, setUp } from './claudef.ts'

const companion = fileURLToPath(new URL('../../bin/claude-fallback.js', import.meta.url))

/** Writes down how it was called, and what came on its standard input. */
const recordingClaudef = `#!/bin/sh
{ printf '%s\\n%s\\n%s\\n' "\${CLAUDE_FALLBACK_BILLING-none}" "$PWD" "$#"
  for each; do printf '<%s>\\n' "$each"; done
  cat
} >"$RECORD/claudef"
exit 7
`

/** Takes the whole standard input, where it gets one. */
const recordingCompanion = `#!/bin/sh
{ printf '%s ' "\${CLAUDE_FALLBACK_BILLING-none}" "$@"; cat; } >"$RECORD/claude-fallback"
echo "said: $*"
exit "\${MODE_EXIT-0}"
`

let root = ''
let home = ''
beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "claudef shell's-")))
  home = join(root, 'home')
  for (const folder of ['home', 'record', 'bin', 'my "own" $HOME project']) fs.mkdirSync(join(root, folder))
  fs.writeFileSync(join(root, 'bin/claudef'), recordingClaudef, { mode: 0o755 })
  fs.writeFileSync(join(root, 'bin/claude-fallback'), recordingCompanion, { mode: 0o755 })
})
afterEach(() => fs.rmSync(root, { recursive: true }))

const project = () => join(root, 'my "own" $HOME project')
const recorded = (program: string) => {
  const file = join(root, 'record', program)
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined
}

/** What claudef records of a session. */
const session = (billing: string, args: string[], input: string) =>
  [billing, project(), args.length, ...args.map((arg) => `<${arg}>`), input].join('\n')

function run(file: string, args: string[], env: Record<string, string> = {}) {
  const base = {
    HOME: home,
    PATH: `${join(root, 'bin')}:/usr/bin:/bin`,
    RECORD: join(root, 'record'),
    LANG: 'C.UTF-8',
  }
  return spawnSync(file, args, { cwd: project(), env: { ...base, ...env }, encoding: 'utf8', input: 'piped' })
}

function install(...args: string[]) {
  const done = run(process.execPath, [companion, 'install', ...args])
  expect(done).toMatchObject({ status: 0, stderr: '' })
}

/** Without anybody's settings; then whatever may trip a function up. */
const bare: Record<Shell, { args: string[]; strict: string }> = {
  bash: {
    args: ['--norc', '--noprofile'],
    strict: `set -eu -o pipefail -o noclobber -o noglob; IFS=/-
      shopt -s failglob nullglob nocasematch inherit_errexit expand_aliases`,
  },
  zsh: {
    args: ['-f'],
    strict: `setopt err_exit no_unset nomatch pipe_fail no_clobber warn_create_global posix_builtins rc_quotes
      setopt ksh_arrays sh_word_split glob_subst ignore_braces csh_null_glob no_function_argzero aliases
      IFS=/-`,
  },
  fish: { args: ['--no-config'], strict: 'set -g IFS /-' },
}

/** Aliases that were there before, of our names and of the words that we use. */
const hostile: Record<Shell, string> = {
  bash: `alias claude-api='echo no' claude-sub='echo no;' claude-mode='() {' command=false builtin=false claudef=false env=false
    printf() { :; }; claudef() { :; }; env() { :; }
    alias printf=false\n`,
  zsh: `printf() { :; }; claudef() { :; }; env() { :; }
    alias claude-api='echo no' claude-sub='echo no;' command=false builtin=false claudef=false env=false printf=false
    alias -g claude-mode='| cat' mode=mood api=no\n`,
  fish: `alias claude-sub 'echo no'; alias claude-mode 'echo no'
    function claude-api; echo no; end; function claudef; end; function printf; end; function echo; end\n`,
}

/** `FUNCTIONS` is a file with the text. */
const ways = {
  source: { posix: '. "$FUNCTIONS"', fish: 'source $FUNCTIONS' },
  eval: { posix: 'eval "$(cat "$FUNCTIONS")"', fish: 'cat $FUNCTIONS | source' },
}

const load = (shell: Shell, way: keyof typeof ways) => ways[way][shell === 'fish' ? 'fish' : 'posix']

const cases = SHELLS.flatMap((shell) => [[shell, 'source'] as const, [shell, 'eval'] as const])

/** Runs lines of a script in which the functions are to be had. */
function runScript(shell: Shell, script: string, env: Record<string, string> = {}) {
  const functions = join(root, 'functions')
  fs.writeFileSync(functions, renderFunctions(shell, { alias: false }))
  return run(shell, [...bare[shell].args, '-c', script], { FUNCTIONS: functions, ...env })
}

describe.each(SHELLS)('%s', (shell) => {
  test.each([true, false])('finds no fault with the text (alias: %s)', (alias) => {
    const file = join(root, 'functions')
    fs.writeFileSync(file, renderFunctions(shell, { alias }))
    expect(run(shell, ['-n', file])).toMatchObject({ status: 0, stdout: '', stderr: '' })
    // The control: it would say so.
    fs.appendFileSync(file, '\nif (\n')
    expect(run(shell, ['-n', file]).status).not.toBe(0)
  })

  test.each([
    ['claude-api', 'api'],
    ['claude-sub', 'subscription'],
  ])('%s goes on with its billing where the mode cannot be saved', (name, billing) => {
    const { status, stdout, stderr } = runScript(shell, `${load(shell, 'source')}\n${name}`, {
      MODE_EXIT: '1',
    })
    expect({ status, stdout }).toEqual({ status: 7, stdout: '' })
    expect(stderr).toContain(`${name}: the mode could not be saved. This session starts on ${billing}`)
    expect(recorded('claudef')).toBe(session(billing, [], 'piped'))
  })

  test.each([
    ['claude-api', 'claudef'],
    ['claude-api', 'claude-fallback'],
    ['claude-sub', 'claudef'],
    ['claude-mode', 'claude-fallback'],
  ])('%s without %s on PATH says so, with 127', (name, program) => {
    fs.rmSync(join(root, 'bin', program))
    const { status, stdout, stderr } = runScript(shell, `${load(shell, 'source')}\n${name} hello`)
    expect({ status, stdout }).toEqual({ status: 127, stdout: '' })
    expect(stderr).toBe(
      `${name}: there is no ${program} on PATH. Install claudef again, or put the folder of its programs on PATH.\n`,
    )
    expect([recorded('claudef'), recorded('claude-fallback')]).toEqual([undefined, undefined])
  })

  test('claude-mode prints the mode, and hands on what it is given', () => {
    const script = `${load(shell, 'source')}\nclaude-mode\nclaude-mode --json`
    expect(runScript(shell, script)).toMatchObject({
      status: 0,
      stdout: 'said: mode\nsaid: mode --json\n',
      stderr: '',
    })
  })

  test('the billing asked for wins over one that is exported', () => {
    const env = { CLAUDE_FALLBACK_BILLING: 'api' }
    // Read-only, too: bash starts a program without such a variable.
    const fix = shell === 'fish' ? '' : 'readonly CLAUDE_FALLBACK_BILLING\n'
    expect(runScript(shell, `${load(shell, 'source')}\n${fix}claude-sub`, env).status).toBe(7)
    expect(recorded('claudef')).toMatch(/^subscription\n/)
  })

  test('a session leaves no variable, function or option behind', () => {
    const list = {
      bash: 'compgen -v; compgen -A function; set +o; shopt',
      zsh: `print -l \${(ko)parameters} \${(ko)functions}; setopt`,
      fish: 'set --names; functions --all --names',
    }[shell]
    const [open, close] = shell === 'fish' ? ['begin', 'end'] : ['{', '}']
    const listing = (name: string) => `${open} ${list}; ${close} >"$RECORD/${name}"`
    const call = shell === 'fish' ? 'claude-api x; claude-sub y' : 'claude-api x || :; claude-sub y || :'
    // A first command brings variables of the shell's own.
    const script = [load(shell, 'source'), 'ls >/dev/null', listing('before'), call, listing('after')].join(
      '\n',
    )
    expect(runScript(shell, script)).toMatchObject({ stderr: '' })
    expect(recorded('before')).toContain('claude-api')
    expect(recorded('after')).toBe(recorded('before'))
    expect(recorded('before')).not.toContain('CLAUDE_FALLBACK')
  })
})

describe.each(cases)('%s, by %s, in a strict script', (shell, way) => {
  const awkward = ['a b', '', "it's", '"$HOME"', '*', '--', '-p', '\\', 'ü\n2', 'A=1']
  const words = awkward.map((word) =>
    shell === 'fish' ? `'${word.replace(/['\\]/g, '\\$&')}'` : `'${word.replaceAll("'", `'\\''`)}'`,
  )

  test.each([
    ['claude-api', 'api'],
    ['claude-sub', 'subscription'],
  ])('%s starts the session', (name, billing) => {
    // Said before RC_QUOTES is on, where two quotes inside quotes are one.
    const [before, args, end] =
      shell === 'fish'
        ? ['', words.join(' '), 'exit $status']
        : [`set -- ${words.join(' ')}`, '"$@"', 'echo never']
    const lines = [before, hostile[shell], bare[shell].strict, load(shell, way), `${name} ${args}`, end]
    const done = runScript(shell, lines.join('\n'))
    expect(done).toMatchObject({ status: 7, stdout: '', stderr: '' })
    expect(recorded('claudef')).toBe(session(billing, awkward, 'piped'))
    // It has got nothing of what was meant for the session.
    expect(recorded('claude-fallback')).toBe(`none mode ${billing} `)
  })
})

describe('an interactive shell whose rc file has our block', () => {
  const rc = { bash: '.bashrc', zsh: '.zshrc', fish: '.config/fish/config.fish' }

  test.each(SHELLS)('%s has the functions, the alias, and no words of ours at its start', (shell) => {
    install('--shell', shell, '--alias')
    const start = (command: string) => run(shell, ['-i', '-c', command])
    expect(start('claude-api "a b"').status).toBe(7)
    expect(recorded('claudef')).toMatch(/^api\n[\s\S]*\n<a b>\n/)
    // bash reads the whole of -c before it knows the alias, unless it is on a line of its own.
    expect(start('true\nclaude hello').status).toBe(7)
    expect(recorded('claudef')).toMatch(/^none\n[\s\S]*\n<hello>\n/)
    expect(start('true')).toMatchObject({ status: 0, stdout: '' })
    expect(start('true').stderr).not.toMatch(/claude/)
  })

  test.each(['bash', 'zsh'] as const)('%s, strict from the start, with aliases of these names', (shell) => {
    fs.writeFileSync(join(home, rc[shell]), `${hostile[shell]}set -u\n`)
    install('--shell', shell)
    expect(run(shell, ['-i', '-c', 'claude-sub']).status).toBe(7)
    expect(recorded('claudef')).toMatch(/^subscription\n/)
  })

  test('the file that is gone is not missed', () => {
    install('--shell', 'bash')
    fs.rmSync(join(home, '.local'), { recursive: true })
    expect(run('bash', ['--norc', '-euc', '. ~/.bashrc; echo on'])).toMatchObject({
      stdout: 'on\n',
      stderr: '',
    })
  })

  test.each([
    ['bash in POSIX mode', 'bash', ['--norc', '--posix', '-euc']],
    ['dash', 'dash', ['-euc']],
    ['zsh', 'zsh', ['-f', '-euc']],
  ])('%s that sources .bashrc passes it by', (_, file, args) => {
    install('--shell', 'bash')
    const done = run(file, [...args, '. ~/.bashrc; command -v claude-api || echo none'])
    expect(done).toMatchObject({ status: 0, stdout: 'none\n', stderr: '' })
  })
})

test('shellcheck finds no fault with what bash gets', () => {
  const file = join(root, 'functions')
  fs.writeFileSync(file, renderFunctions('bash', { alias: true }))
  expect(run('shellcheck', ['--enable=all', '--severity=style', file])).toMatchObject({
    status: 0,
    stdout: '',
  })
  // The block: SC1091 is that the sourced file is not looked into.
  fs.writeFileSync(file, renderBlock('bash', "/home/o'neil/functions.bash"))
  expect(run('shellcheck', ['--shell=bash', '--exclude=SC1091', file])).toMatchObject({
    status: 0,
    stdout: '',
  })
})

describe.skipIf(process.getuid?.() !== 0)('an rc file that cannot be written (needs root)', () => {
  test('is told, and nothing is touched', () => {
    fs.chmodSync(root, 0o755)
    fs.chownSync(home, 65534, 65534)
    fs.writeFileSync(join(home, '.bashrc'), 'export A=1\n', { mode: 0o644 })
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, companion]
    const { status, stdout, stderr } = run('setpriv', [...nobody, 'install', '--shell', 'bash'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(`${join(home, '.bashrc')} cannot be written: permission denied`)
    expect(fs.readdirSync(home)).toEqual(['.bashrc'])
    // The control: with a file of their own it can.
    fs.chownSync(join(home, '.bashrc'), 65534, 65534)
    expect(run('setpriv', [...nobody, 'install', '--shell', 'bash']).status).toBe(0)
    expect(fs.statSync(join(home, '.bashrc'))).toMatchObject({ uid: 65534, gid: 65534 })
  })

  test.each(['ours alone', 'under a second name'])('a full disk leaves it as it was: %s', (name) => {
    const second = name === 'under a second name'
    // What it gains does not fit into its last page.
    const text = `# ${'x'.repeat(4093)}\n`
    const script = `set -eu
      mount -t tmpfs -o size=32k none "$HOME"
      printf '%s' "$TEXT" >"$HOME/.bashrc"
      ${second ? 'ln "$HOME/.bashrc" "$HOME/second"' : ''}
      cat /dev/zero >"$HOME/filler" 2>/dev/null || :
      "$@" || echo "code: $?"
      ls -A "$HOME"
      cat "$HOME/.bashrc"`
    const command = [process.execPath, companion, 'install', '--shell', 'bash']
    const { stdout, stderr } = run('unshare', ['-m', 'sh', '-c', script, 'sh', ...command], {
      TEXT: text,
      XDG_DATA_HOME: join(root, 'data'),
    })
    expect(stderr).toContain(`${join(home, '.bashrc')} cannot be written: no space left on device`)
    expect(stdout).toContain('code: 1\n')
    expect(stdout.endsWith(`.bashrc\nfiller\n${second ? 'second\n' : ''}${text}`)).toBe(true)
  })

  test('nor a folder that takes no new file', () => {
    fs.chmodSync(root, 0o755)
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, companion]
    const { status, stderr } = run('setpriv', [...nobody, 'install', '--shell', 'zsh'])
    expect(status).toBe(1)
    expect(stderr).toContain('functions.zsh cannot be written: permission denied')
    expect(fs.readdirSync(home)).toEqual([])
  })

  test('root who installs for somebody leaves them their file', () => {
    fs.writeFileSync(join(home, '.bashrc'), 'export A=1\n')
    fs.chownSync(join(home, '.bashrc'), 65534, 65534)
    install('--shell', 'bash')
    expect(fs.statSync(join(home, '.bashrc'))).toMatchObject({ uid: 65534, gid: 65534 })
  })
})

describe('the real claudef, on the fake Claude Code', () => {
  const start = async (shell: Shell, command: string) => {
    const { root: folder, cwd, env } = setUp()
    const bin = join(folder, 'bin')
    linkPrograms(bin)
    const functions = join(folder, 'functions')
    fs.writeFileSync(functions, renderFunctions(shell, { alias: false }))
    const script = `${load(shell, 'source')}\n${command}${shell === 'fish' ? '\nexit $status' : ''}`
    return openOwnScreen({
      ...{ file: shell, args: [...bare[shell].args, '-c', script], cwd },
      env: { ...env, PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`, FUNCTIONS: functions },
    })
  }

  test.each(SHELLS)('%s: claude-api is billed to the key, and ends as the session does', async (shell) => {
    const screen = await start(shell, 'claude-api "hello there"')
    await screen.waitFor('You said: hello there (via API)')
    await screen.submit('exit 3')
    expect((await screen.exit).code).toBe(3)
  })

  test.each(SHELLS)('%s: claude-sub is billed to the subscription', async (shell) => {
    const screen = await start(shell, 'claude-sub "hello there"')
    const text = await screen.waitFor('You said: hello there')
    expect(text).toContain('Claude Max')
    expect(text).not.toContain('via API')
    await screen.submit('exit 4')
    expect((await screen.exit).code).toBe(4)
  })

  test.each([
    ['bash', bash],
    ['zsh', zsh],
    ['fish', fish],
  ] as const)('%s: Ctrl+Z stops it, fg brings it back', async (name, shell) => {
    const setup = setUpShell()
    onTestFinished(setup.tearDown)
    linkPrograms(setup.file('bin'))
    // Known by its program's path.
    fs.rmSync(setup.file('bin/claudef'))
    setup.write('bin/claudef', `#!/bin/sh\nexec '${process.execPath}' '${claudef}' "$@"\n`)
    setup.write('functions', renderFunctions(name, { alias: false }))
    const job = await openJob(setup, shell, {
      PATH: `${setup.file('bin')}:${dirname(process.execPath)}:/usr/bin:/bin`,
      FUNCTIONS: setup.file('functions'),
      CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests',
    })
    await job.screen.submit(load(name, 'source'))
    await job.screen.submit('claude-api hello')
    await job.screen.waitFor('You said: hello (via API)')
    job.screen.key('Ctrl+Z')
    await job.waitForStop()
    await job.screen.submit('fg')
    await job.screen.waitFor('(via API)')
    await waitUntil(() => job.screen.termios().includes('-icanon'))
    await job.screen.submit('exit 3')
    await job.screen.waitFor(/^prompt> *$/m)
    // zsh forgets the exit code of a function that was stopped, fish that of whatever was.
    if (name === 'bash') expect(await job.ask('echo $?')).toBe('3')
    else expect(await job.ask('jobs | wc -l')).toMatch(/^ *0$/)
  })
})

function linkPrograms(bin: string) {
  fs.mkdirSync(bin)
  fs.symlinkSync(claudef, join(bin, 'claudef'))
  fs.symlinkSync(companion, join(bin, 'claude-fallback'))
}
