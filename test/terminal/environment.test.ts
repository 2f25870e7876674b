import { readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { claudef, type Setup, setUp } from '../support/claudef.ts'
import { childrenOf, commandOf, findProcesses, waitUntil } from '../support/processes.ts'

let setup: Setup
afterEach(() => setup.tearDown())

test('the child has the environment of its caller, less the keys, in the same folder', async () => {
  setup = setUp({ script: '#!/bin/sh\ncat /proc/$$/environ > "$REPORT"; /bin/pwd > "$REPORT.pwd"\n' })
  const link = setup.file('link')
  symlinkSync(setup.home.cwd, link)
  const given = {
    REPORT: setup.file('report'),
    TERM: 'xterm-kitty',
    COLORTERM: 'truecolor',
    TERM_PROGRAM: 'ghostty',
    TMUX: '/tmp/tmux-0/default,1,0',
    TMUX_PANE: '%3',
    STY: '1.pts',
    WINDOW: '2',
    WINDOWID: '77',
    TERMCAP: 'vt100',
    COLUMNS: '11',
    LINES: '12',
    EMPTY: '',
    UNUSUAL: 'a=b\nc "ä',
  }
  const outer = setup.run([], {
    file: '/bin/sh',
    args: ['-c', 'cd "$0" && exec "$@"', link, process.execPath, claudef],
    env: { ...given, ANTHROPIC_API_KEY: 'sk-ant-api03-made-up-for-tests' },
  })
  expect(await outer.exit).toEqual({ code: 0, signal: 0 })
  const seen = readFileSync(given.REPORT, 'utf8').split('\0').slice(0, -1)
  const expected = Object.entries({ ...setup.env, ...given, PWD: link }).map(
    ([name, value]) => `${name}=${value}`,
  )
  // The shell in between has added this one.
  expect(seen.filter((pair) => !/^(OLDPWD|_)=/.test(pair)).sort()).toEqual(expected.sort())
  expect(readFileSync(`${given.REPORT}.pwd`, 'utf8').trim()).toBe(setup.home.cwd)
})

test('no child has the master of a terminal, nor another descriptor of claudef', async () => {
  setup = setUp()
  const screen = await setup.draw([], {
    env: { CLAUDE_FALLBACK_AUTO_RESTART: '1', CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up-for-tests' },
  })
  const descriptors = () => {
    const [child = 0] = childrenOf(screen.pid()).filter((pid) => commandOf(pid).includes('bin/claude'))
    return readdirSync(`/proc/${child}/fd`).map((name) => readLink(`/proc/${child}/fd/${name}`))
  }
  await screen.waitFor('Claude Max')
  expect(descriptors().filter((target) => /ptmx|claudef-/.test(target))).toEqual([])
  await screen.submit('limit')
  await screen.waitFor('(via API)')
  expect(descriptors().filter((target) => /ptmx|claudef-/.test(target))).toEqual([])
})

const readLink = (path: string) => {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

describe('arguments that name a descriptor', () => {
  /** Prints what is in each file that an argument names. */
  const PRINT = `#!/bin/sh
    for word; do
      case $previous in --mcp-config) cat "$word";; --debug-file) echo written > "$word";; esac
      previous=$word
    done
    until [ -e "$GO" ]; do sleep 0.02; done\n`

  const run = (command: string) => {
    setup = setUp({ script: PRINT })
    writeFileSync(setup.file('file'), 'from a file')
    return setup.run([], {
      file: 'bash',
      args: ['-c', command, 'bash', process.execPath, claudef],
      env: { GO: setup.file('go'), OUT: setup.file('out'), FILE: setup.file('file') },
    })
  }

  test.each([
    ['as bash gives them', '"$@" --mcp-config <(printf "from a pipe")', 'from a pipe'],
    ['as zsh gives them', '"$@" --mcp-config /dev/fd/11 11< <(printf "from a pipe")', 'from a pipe'],
    ['of a file', '"$@" --mcp-config /proc/self/fd/9 9< "$FILE"', 'from a file'],
    ['of a pipe twice', '"$@" --mcp-config /dev/fd/9 --mcp-config /dev/fd/9 9< <(printf ab)', 'abab'],
    [
      'without a session',
      'touch "$GO"; "$@" -p --mcp-config /dev/fd/11 11< <(printf "from a pipe")',
      'from a pipe',
    ],
    ['with the output piped', 'touch "$GO"; "$@" --mcp-config /dev/fd/12 12< "$FILE" | cat', 'from a file'],
  ])('%s', async (_, command, content) => {
    const outer = run(command)
    await outer.waitFor(content)
    setup.write('go', '')
    expect((await outer.exit).code).toBe(0)
    expect(setup.leftovers()).toEqual([])
  })

  test('to be written to', async () => {
    const outer = run('"$@" --debug-file >(cat > "$OUT")')
    await waitUntil(() => findProcesses(`GO=${setup.file('go')}`).length > 2)
    setup.write('go', '')
    await outer.exit
    await waitUntil(() => setup.read('out') === 'written\n')
  })
})

test('a settings file from a pipe is merged with ours', async () => {
  setup = setUp({ script: '#!/bin/sh\nwhile [ "$1" != --settings ]; do shift; done; cat "$2"\n' })
  const outer = setup.run([], {
    file: 'bash',
    args: ['-c', `"$@" --settings <(printf '{"model":"opus"}')`, 'bash', process.execPath, claudef],
  })
  await outer.exit
  expect(JSON.parse(outer.text())).toMatchObject({ model: 'opus', hooks: { SessionStart: [{}] } })
})
