/*
 * One of many processes that change the shared state at once: `node state-writer.js HOME NAME`. It prints a line when
 * it is ready, goes on at the first line of its input, says whether it was the first to announce, and leaves the state
 * at the end of its input.
 */
import { createInterface } from 'node:readline'
import { announceOnce, enterSession, leaveSession } from '../../dist/core/shared-state.js'
import { openSharedState, readProcessStart } from '../../dist/state.js'

const [home, name] = process.argv.slice(2)
const { update } = openSharedState({ home, now: Date.now, log: (message) => console.log(message) })
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { pid } = process
const processStart = readProcessStart(pid)

console.log('ready')
await lines.next()

let isFirst = false
const startedAt = performance.now()
await update((state) => {
  const announced = announceOnce(state, 'limit', Date.now())
  isFirst = announced.isFirst
  const account = { configDir: home, account: name }
  const session = {
    ...account,
    pid,
    processStart,
    cwd: home,
    billing: 'subscription',
    startedAt: Date.now(),
    by: 'claudef',
  }
  return enterSession({ ...announced.state, [name]: true }, session)
})
console.log(isFirst ? 'first' : 'done', Math.round(performance.now() - startedAt))

await lines.next()
await update((state) => leaveSession(state, pid, processStart))
process.exit()
