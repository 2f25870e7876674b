import fs from 'node:fs'

/** No memory at all, only registers (core(5), "Controlling which mappings are written"). */
const NOTHING = '0\n'

/** What this process's core file was to hold before its memory was kept out of it. */
let before: string | undefined

/**
 * Keeps a key out of core files: from here on the one that a crash of this process would write holds nothing of its
 * memory, nor does that of a process that it starts. Linux only; elsewhere, and without `/proc`, it does nothing.
 */
export function hideMemory(): void {
  if (process.platform !== 'linux' || before !== undefined) return
  try {
    const filter = fs.readFileSync(filterOf(process.pid), 'latin1')
    fs.writeFileSync(filterOf(process.pid), NOTHING)
    before = `0x${filter}`
  } catch {}
}

/** Gives a process without a key, one of our own that has just been started or ourselves, the core file that it would have had. */
export function showMemory(pid: number): void {
  if (before === undefined) return
  try {
    fs.writeFileSync(filterOf(pid), before)
  } catch {}
}

const filterOf = (pid: number) => `/proc/${pid}/coredump_filter`
