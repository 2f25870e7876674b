// The measurements. Each takes one wrapper and gives numbers; who repeats and compares them is elsewhere.
import { createHash } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { openLine } from './line.js'
import { killAll, usage, wrapperProcesses } from './processes.js'

/** @typedef {import('./wrappers.js').Wrapper} Wrapper */

/** The program says so once it reads and writes raw bytes. */
const READY = 'ready'
const END = 'the end'

/** @type {Record<string, string>} what runs inside, by the measurement that it is for */
const PROGRAMS = {
  echo: `stty raw -echo; printf ${READY}; exec cat`,
  first: 'printf x',
  // It waits for a key, so that the wrapper's own start is over.
  data: `stty raw -echo; printf ${READY}; head -c 1 >/dev/null; cat "$DATA"; printf '${END}'; exec cat`,
  idle: `stty raw -echo; printf ${READY}; exec cat`,
}

/** @returns {(wrapper: Wrapper, program: string, more?: Record<string, string>) => import('./line.js').Line & { mark: string, end: () => void }} */
export function makeOpener(/** @type {string} */ folder) {
  for (const [name, script] of Object.entries(PROGRAMS)) {
    const file = path.join(folder, name, 'program')
    writeFileSync(file, `#!/bin/sh\n${script}\n`)
    chmodSync(file, 0o755)
  }
  let count = 0
  return (wrapper, program, more = {}) => {
    count += 1
    const { file, args, env } = wrapper.wrap(path.join(folder, program, 'program'))
    const mark = `${folder}/${count}`
    const line = openLine({ file, args, cwd: folder, env: { ...env, ...more, BENCH: mark } })
    return { ...line, mark: `BENCH=${mark}`, end: () => killAll(`BENCH=${mark}`) }
  }
}

/** Times from a key to its echo, in µs. */
export function measureEcho(/** @type {import('./line.js').Line} */ line, /** @type {number} */ keys) {
  const times = []
  for (let key = 0; key < keys; key++) {
    const letter = String.fromCharCode(97 + (key % 26))
    const start = process.hrtime.bigint()
    line.write(letter)
    for (let seen = ''; !seen.includes(letter); ) seen += line.read()?.toString('latin1') ?? letter
    times.push(Number(process.hrtime.bigint() - start) / 1000)
    pause(1)
  }
  return times
}

/** From the start of the wrapper to the first byte of a program that writes at once, in ms. */
export function measureFirst(/** @type {import('./line.js').Line} */ line, /** @type {bigint} */ start) {
  for (let seen = ''; !seen.includes('x'); pause(0.1)) seen += line.poll()?.toString('latin1') ?? 'x'
  return Number(process.hrtime.bigint() - start) / 1e6
}

/**
 * Throughput of the bytes of one file.
 * @returns {{ seconds: number, cpuMs: number, isSame: boolean }}
 */
export function measureData(
  /** @type {import('./line.js').Line & { mark: string }} */ line,
  /** @type {{ digest: string, length: number }} */ data,
) {
  const pids = wrapperProcesses(line.mark)
  const before = usage(pids).cpuMs
  const hash = createHash('sha1')
  let length = 0
  let tail = ''
  const start = process.hrtime.bigint()
  line.write('g')
  while (!tail.includes(END)) {
    const output = line.read()
    if (output === undefined) break
    length += output.length
    const inData = Math.max(0, Math.min(output.length, data.length - (length - output.length)))
    hash.update(output.subarray(0, inData))
    tail = (tail + output.subarray(-200).toString('latin1')).slice(-200)
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const isSame = hash.digest('hex') === data.digest && length === data.length + END.length
  return { seconds, cpuMs: usage(pids).cpuMs - before, isSame }
}

export const readyText = READY

/** Gives the processor away, in ms. */
function pause(/** @type {number} */ ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
