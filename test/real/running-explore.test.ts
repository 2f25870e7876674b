import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'
import { eventually, type Setup, setUp } from './claudef.ts'
import { openSession } from './limit.ts'

const OUT = '/tmp/running-explore'
function dump(setup: Setup, name: string, screen?: { text: () => string }) {
  for (const t of setup.home.transcripts()) {
    writeFileSync(`${OUT}/${name}.jsonl`, readFileSync(t.path))
  }
  if (screen) writeFileSync(`${OUT}/${name}.txt`, screen.text())
}
function status(setup: Setup) {
  const folder = join(setup.home.configDir, 'sessions')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((n) => n.endsWith('.json'))
    .map((n) => readFileSync(join(folder, n), 'utf8'))
}
const rowsText = (setup: Setup) =>
  setup.home
    .transcripts()
    .map((t) => JSON.stringify(t.rows))
    .join()
type T = { name: string; input: object }
/** Each turn whose last user words contain the key asks for the tools. */
function script(setup: Setup, map: Record<string, T[]>) {
  setup.api.setBehaviour((request) => {
    if (request.billing === 'none') return undefined
    const users = (request.body?.messages ?? []).filter((m: any) => m.role === 'user')
    const last = JSON.stringify(users.at(-1)?.content ?? '')
    const offered = (request.body?.tools ?? []).map((t: any) => t.name)
    if (request.stream)
      appendFileSync(`${OUT}/requests.log`, `${offered.join(',')}\n${last.slice(-1500)}\n\n`)
    for (const [word, tools] of Object.entries(map))
      if (last.includes(word) && !last.includes('"tool_result"')) return { type: 'tools', tools }
    return { type: 'answer', text: `done ${users.length}` }
  })
}
const bash = (command: string, more = {}) => ({ name: 'Bash', input: { command, description: 'd', ...more } })

test('bg', async () => {
  const setup = await setUp({
    settings: { permissions: { allow: ['Bash', 'Monitor', 'TaskStop', 'Agent'] } },
  })
  const screen = await openSession(setup, ['--permission-mode', 'default'], { bare: true })
  script(setup, {
    one: [
      bash('sleep 600', { run_in_background: true }),
      bash('sleep 1; echo hi', { run_in_background: true }),
      bash('echo fg'),
    ],
    two: [bash('tail -f /dev/null; true 601')],
  })
  await screen.submit('one')
  await eventually(() => rowsText(setup)).toContain('task-notification')
  await screen.waitFor(/done \d/)
  await new Promise((r) => setTimeout(r, 2500))
  dump(setup, 'bg1', screen)
  appendFileSync(`${OUT}/status.log`, `bg1 ${status(setup)}\n`)
  await screen.submit('two')
  await screen.waitFor(/Ctrl\+B|ctrl\+b/i)
  appendFileSync(`${OUT}/status.log`, `two ${status(setup)}\n`)
  screen.key('Ctrl+B')
  await new Promise((r) => setTimeout(r, 2500))
  dump(setup, 'bg2', screen)
  const id = rowsText(setup).match(/running in background with ID: (\w+)/)?.[1] ?? ''
  script(setup, {
    three: [{ name: 'TaskStop', input: { task_id: id } }],
    four: [bash('tail -f /dev/null; true 602')],
  })
  await screen.submit('three')
  await new Promise((r) => setTimeout(r, 2500))
  dump(setup, 'bg3', screen)
  const before = rowsText(setup).length
  const session = setup.home.transcripts()[0]?.sessionId ?? ''
  await screen.close()
  dump(setup, 'bg4')
  appendFileSync(`${OUT}/status.log`, `growth at end ${rowsText(setup).length - before}\n`)
  const again = await setup.run(['--resume', session, '--permission-mode', 'default', 'five'], { bare: true })
  await again.waitFor(/done \d/)
  await new Promise((r) => setTimeout(r, 2500))
  dump(setup, 'bg5', again)
  // interrupted tool
  await again.submit('four')
  await again.waitFor('602')
  await new Promise((r) => setTimeout(r, 1500))
  again.key('Escape')
  await new Promise((r) => setTimeout(r, 1500))
  dump(setup, 'bg6', again)
  await again.close()
}, 90_000)

test('agent and monitor', async () => {
  const setup = await setUp({
    settings: { permissions: { allow: ['Bash', 'Monitor', 'TaskStop', 'Agent'] } },
  })
  const screen = await openSession(setup, ['--permission-mode', 'default'], { bare: true })
  const agent = (prompt: string, bg: boolean) => ({
    name: 'Agent',
    input: { description: 'my agent', prompt, subagent_type: 'general-purpose', run_in_background: bg },
  })
  script(setup, {
    one: [agent('sub-a', true), agent('sub-b', true)],
    'sub-a': [bash('echo sub')],
    'sub-b': [bash('tail -f /dev/null')],
    two: [
      {
        name: 'Monitor',
        input: {
          command: 'while sleep 1; do echo tick; done',
          description: 'watch ticks',
          timeout_ms: 300000,
          persistent: false,
        },
      },
    ],
  })
  await screen.submit('one')
  await eventually(() => rowsText(setup)).toContain('task-notification')
  await new Promise((r) => setTimeout(r, 1500))
  dump(setup, 'ag1', screen)
  await screen.submit('two')
  await new Promise((r) => setTimeout(r, 4500))
  dump(setup, 'ag2', screen)
  appendFileSync(`${OUT}/status.log`, `ag2 ${status(setup)}\n`)
  await screen.close()
  dump(setup, 'ag3')
  const session = setup.home.transcripts()[0]?.sessionId ?? ''
  const again = await setup.run(['--resume', session, '--permission-mode', 'default', 'five'], { bare: true })
  await again.waitFor(/done \d/)
  await new Promise((r) => setTimeout(r, 1500))
  dump(setup, 'ag4', again)
}, 90_000)

test('ask', async () => {
  const setup = await setUp()
  const screen = await openSession(setup, ['--permission-mode', 'default'], { bare: true })
  script(setup, { one: [bash('touch x; sleep 600')] })
  await screen.submit('one')
  await screen.waitFor(/proceed/)
  await new Promise((r) => setTimeout(r, 1000))
  dump(setup, 'ask1', screen)
  appendFileSync(`${OUT}/status.log`, `ask ${status(setup)}\n`)
  await screen.close()
  dump(setup, 'ask2')
}, 90_000)

test('more', async () => {
  const setup = await setUp({ settings: { permissions: { allow: ['Bash', 'Monitor', 'TaskStop', 'Agent', 'SendMessage'] } } })
  const screen = await openSession(setup, ['--permission-mode', 'default'], { bare: true })
  const st = (n: string) => appendFileSync(`${OUT}/status.log`, `${n} ${status(setup).map((s) => s.match(/"status.*/)?.[0])}\n`)
  const wait = (ms: number) => new Promise((r) => setTimeout(r, ms))
  script(setup, {
    'to-limit': [bash('tail -f /dev/null; true 1', { timeout: 1500 })],
    'mon-itor': [{ name: 'Monitor', input: { command: 'tail -f /dev/null', description: 'watch none', timeout_ms: 300000, persistent: false } }],
    'agent-p': [{ name: 'Agent', input: { description: 'my agent', prompt: 'sub-c', subagent_type: 'general-purpose', run_in_background: false } }],
    'sub-c': [bash('tail -f /dev/null; true 2')],
  })
  await screen.submit('mon-itor')
  await screen.waitFor(/done \d/)
  await wait(1500)
  st('monitor')
  await screen.submit('agent-p')
  await wait(3000)
  st('agent fg')
  screen.key('Ctrl+B')
  await wait(2000)
  st('agent bg')
  dump(setup, 'more1', screen)
  await screen.submit('to-limit')
  await wait(4000)
  st('timeout')
  dump(setup, 'more2', screen)
  screen.type('!')
  await wait(200)
  screen.type('tail -f /dev/null; true 3')
  await wait(300)
  screen.key('Enter')
  await wait(1500)
  st('bang')
  dump(setup, 'more3', screen)
  screen.key('Ctrl+B')
  await wait(1500)
  dump(setup, 'more4', screen)
  st('bang bg')
  screen.key('Down')
  await wait(500)
  screen.key('Enter')
  await wait(800)
  writeFileSync(`${OUT}/more5.txt`, screen.text())
  screen.type('x')
  await wait(1500)
  dump(setup, 'more6', screen)
  screen.key('Escape')
  await wait(800)
  await screen.submit('/clear')
  await wait(2000)
  st('clear')
  writeFileSync(`${OUT}/more7.txt`, screen.text())
  for (const [i, t] of setup.home.transcripts().entries()) writeFileSync(`${OUT}/more7-${i}.jsonl`, readFileSync(t.path))
}, 90_000)
