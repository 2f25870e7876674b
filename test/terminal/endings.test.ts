import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { afterEach, describe, expect, test } from 'vitest'
import { claudef, type Setup, setUp } from '../support/claudef.ts'
import { commandOf, findProcesses, waitUntil } from '../support/processes.ts'
import type { Screen } from '../support/screen.ts'

let setup: Setup
afterEach(() => setup.tearDown())

/** Every process of this test has its home in its environment. */
const survivors = () => findProcesses(`HOME=${setup.home.home}`)

const expectClean = (screen: Screen, modes: ReturnType<Screen['modes']>) => {
  const { before, after } = screen.attributes()
  expect(after).toBe(before)
  expect(screen.modes()).toEqual(modes)
  expect(setup.leftovers()).toEqual([])
  // Reset the terminal, or clear what is scrolled away: never.
  expect(screen.raw().includes('\x1bc')).toBe(false)
  expect(screen.raw().includes('\x1b[3J')).toBe(false)
}

test.each(['TERM', 'INT', 'HUP', 'KILL', 'USR1', 'USR2', 'PIPE', 'ALRM'])(
  'ends by SIG%s as its child did',
  async (name) => {
    setup = setUp({ script: `#!/bin/sh\nkill -${name} $$\n` })
    const number = constants.signals[`SIG${name}` as NodeJS.Signals]
    expect(await setup.run().exit).toEqual({ code: 0, signal: number })
  },
)

test.each(['QUIT', 'ABRT', 'SEGV', 'FPE', 'XCPU'])(
  'tells of a SIG%s by 128 + n, and dumps no core',
  async (name) => {
    setup = setUp({ script: `#!/bin/sh\nulimit -c 0; kill -${name} $$\n` })
    const number = constants.signals[`SIG${name}` as NodeJS.Signals]
    const outer = setup.run([], {
      file: '/bin/sh',
      args: ['-c', 'ulimit -c unlimited; exec "$@"', 'sh', process.execPath, claudef],
    })
    expect(await outer.exit).toEqual({ code: 128 + number, signal: 0 })
    expect(readdirSync(setup.home.cwd)).toEqual([])
  },
)

test('leaves a child without a key the core file that it would have had', async () => {
  const filter = readFileSync('/proc/self/coredump_filter', 'latin1').trim()
  setup = setUp({
    script: `#!/bin/sh
    printf up; until grep -q ${filter} /proc/$$/coredump_filter; do sleep 0.01; done
    printf same; read line\n`,
  })
  // With so many arguments an exec takes long.
  for (let run = 0; run < 5; run += 1) {
    const outer = setup.run(Array.from({ length: 10 }, () => 'x'.repeat(100_000)))
    await outer.waitFor('same')
    expect(readFileSync(`/proc/${outer.pid}/coredump_filter`, 'latin1').trim()).toBe('00000000')
    await outer.type('\r')
    await outer.exit
  }
})

test('tells of a real-time signal, which has no name, by 128 + n', async () => {
  setup = setUp({ script: '#!/bin/sh\nkill -40 $$\n' })
  expect(await setup.run().exit).toEqual({ code: 168, signal: 0 })
})

describe('a signal to claudef reaches Claude Code, which ends in its own way', () => {
  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
    ['SIGINT', 0],
  ] as const)('%s', async (signal, code) => {
    setup = setUp()
    const screen = await setup.draw([], { compareTermios: true })
    const modes = screen.modes()
    await screen.waitFor('Claude Max')
    screen.signal(signal)
    expect(await screen.exit).toEqual({ code, signal: 0 })
    expectClean(screen, modes)
    expect(survivors()).toEqual([])
  })
})

test('waits for a child that takes its time, then leaves nothing of its group alive', async () => {
  setup = setUp({
    script: `#!/bin/sh
      (trap "" HUP TERM INT QUIT; exec sleep 1000) &
      trap 'sleep 1; printf bye; exit 5' TERM
      printf ready
      while :; do sleep 0.1; done\n`,
  })
  const outer = setup.run()
  await outer.waitFor('ready')
  outer.signal('SIGTERM')
  expect(await outer.exit).toEqual({ code: 5, signal: 0 })
  expect(outer.text()).toBe('readybye')
  expect(survivors()).toEqual([])
})

describe('a terminal that is closed', () => {
  test('ends all, without a crash of Node', async () => {
    setup = setUp()
    const outer = setup.run()
    await outer.waitFor('Claude Max')
    outer.hangUp()
    expect(await outer.exit).toEqual({ code: 129, signal: 0 })
    await waitUntil(() => survivors().length === 0)
    expect(setup.leftovers()).toEqual([])
    expect(readdirSync(setup.home.cwd)).toEqual([])
  })

  test('ends a child that does not care, too', async () => {
    setup = setUp({ script: '#!/bin/sh\ntrap "" HUP; printf ready; while :; do sleep 0.1; done\n' })
    const outer = setup.run()
    await outer.waitFor('ready')
    outer.hangUp()
    expect(await outer.exit).toEqual({ code: 0, signal: constants.signals.SIGKILL })
    await waitUntil(() => survivors().length === 0)
  })
})

test('claudef killed by SIGKILL: the child ends, and bash repairs what it repairs for any program', async () => {
  setup = setUp()
  const screen = await setup.draw([], {
    file: 'bash',
    args: ['--norc', '--noprofile', '-i'],
    env: { PS1: '> ' },
  })
  await screen.waitFor('>')
  await screen.submit('stty -g | cksum')
  await screen.waitFor(/\d{3,} \d+\n> *$/)
  const [sum = ''] = /\d{3,} \d+/.exec(screen.text()) ?? []
  await screen.submit(`${process.execPath} ${claudef}; clear`)
  // Answered: no answer of the terminal to a question of the child's is on its way any more.
  await screen.waitFor('Claude Max')
  await screen.submit('hello')
  await screen.waitFor('(via subscription)')
  const pid = survivors().find((each) => commandOf(each).includes('bin/claudef.js')) ?? 0
  process.kill(pid, 'SIGKILL')
  await waitUntil(() => survivors().length === 1)
  await screen.waitFor((text) => text.endsWith('>'))
  await screen.submit('stty -g | cksum')
  await screen.waitFor(sum)
})

describe('the terminal is as before', () => {
  test.each(['', '1'])('after Claude Code was killed (inline: %j)', async (inline) => {
    setup = setUp()
    const env = { CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: inline }
    const screen = await setup.draw([], { compareTermios: true, env })
    const modes = screen.modes()
    await screen.waitFor('Claude Max')
    await screen.submit('crash')
    expect(await screen.exit).toEqual({ code: 137, signal: 0 })
    expectClean(screen, modes)
  })

  test('after a child that set everything and died in the middle of a sequence', async () => {
    const set = [
      '\\033[?1049h\\033[?1000h\\033[?1002h\\033[?1003h\\033[?1006h\\033[?1016h\\033[?1004h\\033[?2004h\\033[?2031h',
      '\\033[?2026h\\033[?1h\\033=\\033[?6h\\033[4h\\033[3;9r\\033[?7l\\033[?25l\\033(0\\033[31m\\033[>5u\\033[>4;2m',
      '\\033]0;title\\007\\033]8;;https://example.com\\033\\\\\\033]0;half',
    ].join('')
    setup = setUp({ script: `#!/bin/sh\nstty -icanon -echo; printf '${set}'; kill -KILL $$\n` })
    const script = `echo before; ${process.execPath} ${claudef}; echo qqq`
    const screen = await setup.draw([], { compareTermios: true, file: '/bin/sh', args: ['-c', script] })
    const modes = screen.modes()
    await screen.exit
    expectClean(screen, modes)
    expect(screen.title()).toBe('')
    expect(screen.text()).toMatch(/^before\n(Killed\n)?qqq$/)
  })

  test('after an exception of our own, which the session outlives', async () => {
    setup = setUp()
    const fault = `if (process.argv[1]?.endsWith('claudef.js')) setTimeout(() => { throw new Error('a fault') }, 300)`
    const screen = await setup.draw([], {
      compareTermios: true,
      env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}` },
    })
    const modes = screen.modes()
    await screen.waitFor('Claude Max')
    await waitUntil(() => setup.log().includes('a fault'))
    await screen.submit('still there?')
    await screen.waitFor('(via subscription)')
    await screen.submit('/exit')
    expect(await screen.exit).toEqual({ code: 0, signal: 0 })
    expectClean(screen, modes)
  })
})

describe('while the key is looked up for the first child', () => {
  const open = async () => {
    setup = setUp({ script: '#!/bin/sh\ntouch "$0.ran"\n' })
    setup.write('slow', '#!/bin/sh\necho >"$0.ran"; exec sleep 600\n')
    const env = { CLAUDE_FALLBACK_BILLING: 'api', CLAUDE_FALLBACK_API_KEY_COMMAND: setup.file('slow') }
    const screen = await setup.draw([], { env: { ...env, CLAUDE_FALLBACK_API_KEY: '' } })
    await waitUntil(() => setup.exists('slow.ran'))
    return screen
  }

  const expectGone = async (screen: Screen, ending: object) => {
    expect(await screen.exit).toEqual(ending)
    expect(setup.exists('program.ran')).toBe(false)
    expect(setup.leftovers()).toEqual([])
    await waitUntil(() => survivors().length === 0)
  }

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends it, and nothing starts', async (signal) => {
    const screen = await open()
    screen.signal(signal)
    await expectGone(screen, { code: 0, signal: constants.signals[signal] })
  })

  test('so does Ctrl+C', async () => {
    const screen = await open()
    await screen.type('\x03')
    await expectGone(screen, { code: 0, signal: constants.signals.SIGINT })
  })
})
