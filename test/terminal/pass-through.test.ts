import { writeFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { claudef, type Setup, setUp } from '../support/claudef.ts'
import { commandOf, findProcesses } from '../support/processes.ts'

let setup: Setup
afterEach(() => setup.tearDown())

/** Tells which of its three descriptors are terminals, how many bytes it was given, and writes to both outputs. */
const REPORT = `#!/bin/sh
  for number in 0 1 2; do [ -t $number ] && printf "$number " >> "$OUT"; done
  [ -t 0 ] || head -c 1000 2> /dev/null | wc -c >> "$OUT"
  echo out; echo error >&2; exit 6\n`

describe('behaves as the program itself where a descriptor is no terminal', () => {
  test.each([
    ['input from nowhere', '"$@" < /dev/null'],
    ['input closed', '"$@" <&-'],
    ['input piped', 'printf hello | "$@"'],
    ['input without an end', 'yes | "$@"'],
    ['output piped', '"$@" | cat'],
    ['output to a file', '"$@" > "$FILE"; cat "$FILE"'],
    ['errors piped', '{ "$@" 2>&1 >&3 | sed s/^/piped-/; } 3>&1'],
    ['errors to a file', '"$@" 2> "$FILE"; cat "$FILE"'],
    ['errors closed', '"$@" 2>&-'],
    ['all of them', 'printf hello | "$@" 2>&1 | cat'],
    ['nohup', 'nohup "$@" < /dev/null 2>&1 | cat'],
    ['without a terminal at all', 'setsid -w "$@" < /dev/null > "$FILE" 2>&1; cat "$FILE"'],
    ['asked to print', '"$@" -p'],
  ])('%s', async (_, command) => {
    setup = setUp({ script: REPORT })
    const run = async (name: string, ...words: string[]) => {
      writeFileSync(setup.file('file'), '')
      const script = `${command}; echo "status \${PIPESTATUS[*]}"`
      const env = { OUT: setup.file(name), FILE: setup.file('file') }
      const outer = setup.run([], { file: 'bash', args: ['-c', script, 'bash', ...words], env })
      await outer.exit
      // Which of two descriptors is faster is nobody's promise.
      return { output: outer.text().split('\r\n').sort(), report: setup.read(name) }
    }
    const direct = await run('direct', setup.program)
    expect(await run('claudef', process.execPath, claudef)).toEqual(direct)
    expect(direct.report).not.toBe('')
  })
})

test('says nothing where the reader of its output goes away', async () => {
  setup = setUp({ script: '#!/bin/sh\nexec yes\n' })
  const run = async (...words: string[]) => {
    const script = '"$@" -p | head -n 1; echo "status $PIPESTATUS"'
    const outer = setup.run([], { file: 'bash', args: ['-c', script, 'bash', ...words] })
    await outer.exit
    return outer.text()
  }
  const direct = await run(setup.program)
  expect(direct).toBe('y\r\nstatus 141\r\n')
  expect(await run(process.execPath, claudef)).toBe(direct)
})

describe('who pays for `-p`', () => {
  const print = async (env: Record<string, string>) => {
    setup = setUp({ script: '#!/bin/sh\necho "key: $ANTHROPIC_API_KEY"\n' })
    const outer = setup.run([], {
      file: process.execPath,
      args: [claudef, '-p', 'hello'],
      env: { ANTHROPIC_API_KEY: 'made-up', ...env },
    })
    await outer.exit
    return outer.text()
  }

  test('is as without claudef', async () => {
    expect(await print({})).toBe('key: made-up\r\n')
  })

  test('is no key where the subscription was asked for', async () => {
    expect(await print({ CLAUDE_FALLBACK_BILLING: 'subscription' })).toBe('key: \r\n')
  })

  test('is not the fallback key where that was asked for, and a sentence says so', async () => {
    const text = await print({
      CLAUDE_FALLBACK_BILLING: 'api',
      CLAUDE_FALLBACK_API_KEY: 'sk-ant-api03-made-up',
    })
    expect(text).toContain('API billing is for sessions in a terminal')
    expect(text).toContain('key: made-up')
  })
})

test('a warning to a reader that has gone away is no failure', async () => {
  setup = setUp({ script: '#!/bin/sh\nexit 3\n' })
  const outer = setup.run([], {
    file: 'bash',
    args: ['-c', '"$@" -p 2>&1 | true; echo "status $PIPESTATUS"', 'bash', process.execPath, claudef],
    env: { CLAUDE_FALLBACK_BILLING: 'nobody' },
  })
  await outer.exit
  expect(outer.text()).toBe('status 3\r\n')
})

describe('Ctrl+C and its like', () => {
  const COUNT = `#!/bin/sh
    trap 'printf int.' INT; trap 'printf quit.' QUIT; trap 'printf bye; exit 4' TERM
    printf ready.
    while :; do sleep 0.05; done\n`

  test('reach a program that is passed through once, as from the terminal', async () => {
    setup = setUp({ script: COUNT })
    const outer = setup.run(['-p'])
    await outer.waitFor('ready.')
    await outer.type('\x03')
    await outer.waitFor('int.')
    await outer.type('\x1c')
    await outer.waitFor('quit.')
    outer.signal('SIGTERM')
    expect(await outer.exit).toEqual({ code: 4, signal: 0 })
    // The shell of the script says `Quit` of its `sleep`.
    expect(outer.text().replace(/\^[C\\]|Quit\r\n/g, '')).toBe('ready.int.quit.bye')
  })

  test('reach it from elsewhere while it has the terminal in raw mode', async () => {
    setup = setUp({ script: COUNT.replace('printf ready', 'stty raw; printf ready') })
    const outer = setup.run(['-p'])
    await outer.waitFor('ready.')
    outer.signal('SIGINT')
    await outer.waitFor('int.')
    outer.signal('SIGTERM')
    expect(await outer.exit).toEqual({ code: 4, signal: 0 })
    expect(outer.text()).toBe('ready.int.bye')
  })

  test('a terminal that is closed ends it', async () => {
    setup = setUp({ script: '#!/bin/sh\nprintf ready; while :; do sleep 0.05; done\n' })
    const outer = setup.run(['-p'])
    await outer.waitFor('ready')
    outer.hangUp()
    expect(await outer.exit).toEqual({ code: 0, signal: 1 })
    expect(findProcesses(`HOME=${setup.home.home}`).map(commandOf)).toEqual([])
  })
})
