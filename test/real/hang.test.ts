import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { setUp } from './claudef.ts'
import { bottomRow, lastWords, openSession, turnsOf } from './limit.ts'

/**
 * From its next read on the process hangs: not stopped, and deaf to all signals but SIGKILL.
 * @returns waits for that to be sent, which the tracer would hold up, and lets it through
 */
async function hang(pid: number): Promise<() => Promise<void>> {
  const delay = ['-e', 'trace=read', '-e', 'inject=read:delay_enter=1000s']
  const tracer = spawn('strace', ['-f', '-qq', '-o', '/dev/null', ...delay, '-p', String(pid)])
  onTestFinished(() => void tracer.kill('SIGKILL'))
  const status = () => readFileSync(`/proc/${pid}/status`, 'utf8')
  await expect.poll(status).toMatch(/^TracerPid:\t[1-9]/m)
  return async () => {
    await expect.poll(status).toMatch(/^ShdPnd:\t\w*[13579bdf]\w{2}$/m)
    tracer.kill('SIGKILL')
  }
}

test('a prompt that a Claude Code which hangs was sent is asked on the key, once', async () => {
  const setup = await setUp({ auto: false })
  const screen = await openSession(setup)
  setup.api.setBehaviour({ subscription: { type: 'limit' } })
  await screen.submit('remember the number 4711')
  await screen.waitFor(() => bottomRow(screen).includes('Ctrl+]'))
  const letDie = await hang(setup.starts().at(-1)?.pid ?? 0)
  screen.type('what was the number?')
  screen.key('Enter')
  screen.key('Ctrl+]')
  await screen.waitFor(() => bottomRow(screen).includes('Enter yes'))
  screen.key('Enter')
  await letDie()
  await screen.waitFor('Mock reply via api.')
  await expect.poll(() => lastWords(turnsOf(setup, 'api').at(-1))).toContain('what was the number?')
  const said = turnsOf(setup, 'api').at(-1)?.body.messages
  expect(JSON.stringify(said).match(/what was the number\?/g)).toHaveLength(1)
  await screen.submit('/exit')
  await screen.exit
})
