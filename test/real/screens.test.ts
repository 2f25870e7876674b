import { mkdirSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiRequest, type Behaviour, startApi } from '../../fixtures/api/server.js'
import { makeHome } from '../support/home.ts'
import { findRealClaude } from '../support/real-claude.ts'
import { saveRecording, type Take } from '../support/recording.ts'
import { openScreen, type Screen } from '../support/screen.ts'
import { lastWords } from './limit.ts'

/** The recordings for test/core/picture.test.ts, made anew by `CLAUDEF_RECORD=1 node test/real/run.js test/real/screens`. */
const folder = fileURLToPath(new URL('../../fixtures/screens/', import.meta.url))

/** Nothing of this machine stands in the header that Claude Code draws. */
const CWD = '/tmp/project'

const REPLY = Array.from({ length: 12 }, (_, part) =>
  [
    `## Part ${part}: 漢字とかな 한국어 😀👍🏽👨‍👩‍👧🇩🇪 ⚠️ café naïve`,
    'Some **bold**, *slanted* and `plain` words that go on until the line has to be broken. '.repeat(4),
    `- 一番目の項目は幅の広い文字だけで書かれている${'長'.repeat(60)}`,
    '```ts\nconst text = `\\x1b[r`\nfor (const each of list) console.log(each)\n```',
    '| name | 値 |\n|---|---|\n| one | 漢字 |\n| two | 😀 |',
  ].join('\n\n'),
).join('\n\n')

type Scene = {
  name: string
  env?: Record<string, string>
  sizes: [columns: number, rows: number][]
  /** Claude writes files and runs commands, each of which the user allows, and the size changes amid an answer. */
  works?: boolean
}

const INLINE = { CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: '1' }
/** Has the kitty keyboard, modifyOtherKeys and synchronized updates turned on. */
const KITTY = { TERM: 'xterm-kitty', TERM_PROGRAM: 'kitty' }

const SCENES: Scene[] = [
  {
    name: 'alternate',
    sizes: [
      [100, 30],
      [80, 23],
      [40, 7],
      [61, 15],
      [140, 45],
      [100, 30],
    ],
  },
  {
    name: 'alternate-kitty',
    env: KITTY,
    sizes: [
      [80, 23],
      [200, 50],
      [57, 12],
      [80, 23],
    ],
  },
  {
    name: 'alternate-plain',
    env: { NO_COLOR: '1' },
    sizes: [
      [90, 20],
      [40, 20],
      [90, 8],
      [90, 40],
    ],
  },
  {
    name: 'inline',
    env: INLINE,
    sizes: [
      [100, 30],
      [80, 23],
      [61, 15],
      [40, 7],
      [140, 45],
      [100, 30],
    ],
  },
  {
    name: 'inline-kitty',
    env: { ...INLINE, ...KITTY },
    sizes: [
      [80, 23],
      [57, 12],
      [120, 40],
      [80, 23],
    ],
  },
  {
    name: 'alternate-work',
    works: true,
    sizes: [
      [100, 30],
      [72, 18],
      [40, 24],
      [132, 43],
    ],
  },
  {
    name: 'inline-work',
    env: INLINE,
    works: true,
    sizes: [
      [80, 24],
      [110, 35],
      [40, 9],
      [90, 20],
    ],
  },
]

/** What a file of the conversation says, before and after its edit. */
const LINES = Array.from(
  { length: 40 },
  (_, line) => `export const 値${line} = 'line ${line} 漢字 😀' // ${'~'.repeat(line)}`,
)
const EDITED = LINES.slice(8, 20).map((line, at) => (at % 3 === 0 ? line : line.toUpperCase()))

describe.runIf(process.env.CLAUDEF_RECORD === '1')('records', () => {
  beforeAll(() => void mkdirSync(CWD))
  afterAll(() => rmSync(CWD, { recursive: true }))

  test.concurrent.each(SCENES)('$name', { timeout: 300_000 }, async (scene) => {
    const { screen, resize, takes, close } = await open(scene)
    const [, ...sizes] = scene.sizes
    const draw = () => (scene.works ? work(screen, takes().length) : tour(screen))
    await draw()
    for (const [columns, rows] of sizes) {
      resize(columns, rows)
      await settle(screen)
      await draw()
    }
    screen.key('Ctrl+C')
    await settle(screen)
    screen.key('Ctrl+C')
    await Promise.race([screen.exit, sleep(5000)])
    const recorded = takes()
    await close()
    for (const { bytes } of recorded) neutralize(bytes)
    const all = Buffer.concat(recorded.map(({ bytes }) => bytes)).toString('latin1')
    expect(all.match(/claudef-(?!xxxxxx)\w*|sk-ant\S*|\/(root|work|home)\/\S*/g)).toBe(null)
    expect(all).not.toContain(hostname())
    saveRecording(join(folder, `${scene.name}.gz`), recorded)
  })
})

/** The made-up home's name is of this run; its length must stay, since the picture depends on it. */
function neutralize(bytes: Buffer): void {
  const name = 'claudef-'
  for (let at = bytes.indexOf(name); at !== -1; at = bytes.indexOf(name, at + 1)) {
    bytes.write('xxxxxx', at + name.length)
  }
}

async function open({ name, env, sizes, works = false }: Scene) {
  const api = await startApi({ behaviour: (request) => answer(name, request) })
  const home = makeHome({ apiUrl: api.url, cwd: CWD, env: { TZ: 'UTC', ...env } })
  const [[cols, rows] = [80, 24]] = sizes
  const args = works ? ['--permission-mode', 'default'] : []
  const screen = await openScreen({ file: findRealClaude(), args, cwd: CWD, env: home.env, cols, rows })
  const close = async () => {
    await screen.close()
    await api.close()
    home.cleanup()
  }
  const changes = [{ columns: cols, rows, from: 0 }]
  const resize = (columns: number, height: number) => {
    changes.push({ columns, rows: height, from: screen.raw().length })
    screen.resize(columns, height)
  }
  const takes = (): Take[] =>
    changes.map(({ from, ...size }, at) => ({
      ...size,
      bytes: screen.raw().subarray(from, changes[at + 1]?.from),
    }))
  await screen.waitFor('Claude Max')
  return { screen, resize, takes, close }
}

/** `write 1`, `edit 1` and `run 1` ask for a tool; all else is a long answer. */
function answer(scene: string, request: ApiRequest): Behaviour | undefined {
  if (request.billing === 'none') return undefined
  const slow = { type: 'slow', text: REPLY, chunks: 80, delayMs: 25 } as const
  const words = lastWords(request)
  const [, verb, number] = /^(write|edit|run) (\d)$/m.exec(words.join('\n')) ?? []
  if (!request.stream || verb === undefined) return slow
  const file_path = `${CWD}/${scene}-${number}.ts`
  const edited = { old_string: LINES.slice(8, 20).join('\n'), new_string: EDITED.join('\n') }
  const calls = {
    write: { name: 'Write', input: { file_path, content: LINES.join('\n') } },
    edit: { name: 'Edit', input: { file_path, ...edited } },
    run: {
      name: 'Bash',
      input: { command: `cp ${file_path} copy; seq 1 200`, description: 'Copy the file' },
    },
  }
  return { type: 'tools', tools: [calls[verb as keyof typeof calls]], text: `I ${verb} it. 漢字` }
}

/** Diffs, questions whether something may be done, and an answer that still streams as the window changes. */
async function work(screen: Screen, number: number): Promise<void> {
  for (const verb of ['write', 'edit', 'run']) {
    await submit(screen, `${verb} ${number}`)
    await screen.waitFor(/Do you want to/, 5000).catch(() => {})
    for (const key of ['Down', 'Down', 'Up', 'Up', 'Ctrl+E', 'Enter']) {
      screen.key(key)
      await settle(screen)
    }
    await scroll(screen, 50)
  }
  for (const command of ['/help', '/permissions', '/status']) await dialog(screen, command)
  await submit(screen, 'tell me more')
  await scroll(screen, 12)
}

/** Everything that draws a lot, with windows as narrow as they may be. */
async function tour(screen: Screen): Promise<void> {
  for (const prompt of ['write 漢字', 'say more', 'and more', 'the same once more']) await say(screen, prompt)
  for (const command of ['/help', '/config', '/model', '/resume', '/theme']) await dialog(screen, command)
  for (const key of [
    'Ctrl+O',
    'PageUp',
    'PageUp',
    'PageDown',
    'Ctrl+O',
    'Shift+Tab',
    'PageUp',
    'PageUp',
    'PageDown',
  ]) {
    screen.key(key)
    await settle(screen)
  }
  screen.type('\x1b[200~pasted 漢字 and\na second line 😀\x1b[201~')
  await settle(screen)
  for (const key of ['Left', 'Up', 'Backspace', 'Escape', 'Escape', 'Ctrl+C']) {
    screen.key(key)
    await settle(screen)
  }
}

/** A turn that streams, and during which the user scrolls. */
async function say(screen: Screen, prompt: string): Promise<void> {
  await submit(screen, prompt)
  await scroll(screen, 40)
  await settle(screen)
}

async function submit(screen: Screen, prompt: string): Promise<void> {
  screen.type(prompt)
  await settle(screen)
  screen.key('Enter')
}

async function scroll(screen: Screen, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await sleep(80)
    screen.type(turn % 4 === 3 ? '\x1b[<65;5;5M' : '\x1b[<64;5;5M')
  }
}

async function dialog(screen: Screen, command: string): Promise<void> {
  screen.type(command)
  await settle(screen)
  screen.key('Enter')
  await settle(screen)
  for (const key of ['Down', 'Down', 'Escape', 'Escape']) {
    screen.key(key)
    await settle(screen)
  }
}

/** Waits until nothing has been drawn for a while, or long enough: what comes is recorded, whatever it is. */
async function settle(screen: Screen): Promise<void> {
  for (let tries = 0, still = 0, seen = -1; tries < 9 && still < 2; tries++) {
    const { length } = screen.raw()
    still = length === seen ? still + 1 : 0
    seen = length
    await sleep(30)
  }
}
