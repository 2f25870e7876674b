import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { type Setup, setUp } from '../support/claudef.ts'
import { cpuMs, exists, residentKb, waitUntil } from '../support/processes.ts'

let setup: Setup
afterEach(() => setup.tearDown())

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** No ESC, or some chance sequence would set a mode, which claudef then undoes at the end. */
const noise = (length: number) => randomBytes(length).map((byte) => (byte === 0x1b ? 0x0a : byte))

/** All 256 values, a bare LF among them, characters that reads will split, and half a character at the end. */
const difficult = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, value) => value)),
  Buffer.from('a\nb\r\nc\rd'),
  Buffer.from('日本語 🏳️‍🌈 ä'.repeat(2000)),
  noise(100_000),
  Buffer.from([0xf0, 0x9f]),
])

test('shows every byte as it was written', async () => {
  setup = setUp({ script: '#!/bin/sh\nstty raw -echo; cat "$DATA"\n' })
  const file = setup.file('data')
  writeFileSync(file, difficult)
  const outer = setup.run([], { env: { DATA: file } })
  expect(await outer.exit).toEqual({ code: 0, signal: 0 })
  expect(outer.bytes().equals(difficult)).toBe(true)
})

test('hands on every byte that is typed', async () => {
  setup = setUp({
    script: `#!/bin/sh\nstty raw -echo; printf ready; head -c ${difficult.length} > "$DATA"; printf done\n`,
  })
  const file = setup.file('data')
  const outer = setup.run([], { env: { DATA: file } })
  await outer.waitFor('ready')
  await outer.type(difficult)
  await outer.waitFor('done')
  expect(readFileSync(file).equals(difficult)).toBe(true)
})

test('shows 64 MB, unchanged', async () => {
  setup = setUp({ script: '#!/bin/sh\nstty raw -echo; exec cat "$DATA"\n' })
  const file = setup.file('data')
  const all = createHash('sha256')
  writeFileSync(file, '')
  for (let block = 0; block < 64; block++) {
    const bytes = noise(1 << 20)
    all.update(bytes)
    writeFileSync(file, bytes, { flag: 'a' })
  }
  const outer = setup.run([], { keep: false, env: { DATA: file } })
  await outer.exit
  expect(outer.length()).toBe(64 << 20)
  expect(outer.digest()).toBe(all.digest('hex'))
})

// Node 20 and 22 report the end of a PTY before it (libuv#4992); and each exit code is the child's.
test('loses nothing of 256 children that write 1 MB and exit at once, nor their exit codes', async () => {
  setup = setUp({ script: '#!/bin/sh\ncat "$DATA"; exit "$CODE"\n' })
  const file = setup.file('data')
  // No LF: this one leaves its terminal as it is, which would make CR LF of it.
  const burst = Buffer.from(randomBytes(750_000).toString('base64'))
  writeFileSync(file, burst)
  const codes = Array.from({ length: 256 }, (_, code) => code)
  const wrong: unknown[] = []
  const worker = async () => {
    for (let code = codes.pop(); code !== undefined; code = codes.pop()) {
      const outer = setup.run([], { keep: false, env: { DATA: file, CODE: String(code) } })
      const exit = await outer.exit
      const isWhole = outer.length() === burst.length && outer.digest() === digest(burst)
      if (!isWhole || exit.code !== code || exit.signal !== 0)
        wrong.push({ code, exit, length: outer.length() })
    }
  }
  await Promise.all(Array.from({ length: 3 }, worker))
  expect(wrong).toEqual([])
}, 300_000)

test('keeps a paste of 1 MB whole and in order while the child sleeps, and costs nothing meanwhile', async () => {
  setup = setUp({
    script: `#!/bin/sh
      stty raw -echo; printf ready
      until [ -e "$GO" ]; do sleep 0.05; done
      head -c 1048576 | sha256sum; printf 'sum:done'\n`,
  })
  const go = setup.file('go')
  const paste = Buffer.from(randomBytes(786_432).toString('base64'))
  const outer = setup.run([], { env: { GO: go } })
  await outer.waitFor('ready')
  const typed = outer.type(paste)
  // All that fits on the way is on its way, and nothing moves.
  let before = await cpuMs(outer.pid)
  await waitUntil(async () => {
    const after = await cpuMs(outer.pid, 500)
    const isQuiet = after - before < 20
    before = after
    return isQuiet
  })
  const spent = (await cpuMs(outer.pid, 2000)) - before
  // A loop that never rests would take all of the 2 s that it gets.
  expect(spent).toBeLessThan(400)
  writeFileSync(go, '')
  await typed
  await outer.waitFor('sum:done')
  expect(outer.text()).toContain(digest(paste))
})

test('a terminal that stands still stops the child; memory does not grow, and a signal still ends it', async () => {
  setup = setUp({
    script: `#!/bin/sh
      stty raw -echo; printf ready
      while :; do head -c 100000 "$DATA"; printf x >> "$COUNT"; done\n`,
  })
  const file = setup.file('data')
  writeFileSync(file, noise(100_000))
  const outer = setup.run([], { keep: false, env: { DATA: file, COUNT: setup.file('count') } })
  const count = () => setup.read('count').length
  await waitUntil(() => count() > 100)
  const resident = residentKb(outer.pid)
  outer.stall()
  let last = -1
  await waitUntil(async () => {
    const isStill = count() === last
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 300))
    return isStill && count() === last
  })
  expect(residentKb(outer.pid) - resident).toBeLessThan(20_000)
  outer.signal('SIGTERM')
  await waitUntil(() => !exists(outer.pid))
  outer.resume()
  expect(await outer.exit).toEqual({ code: 0, signal: 15 })
})
