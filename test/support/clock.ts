/** A time zone in which it is about noon: no day ends while a test runs. */
export const noonZone = () => {
  const hours = new Date().getUTCHours() - 12
  return `Etc/GMT${hours < 0 ? '' : '+'}${hours}`
}

/** A module for `--import`: the clock of its process is ahead by as many ms as a file says. */
export const clock = (file: string) => `
import { readFileSync } from 'node:fs'
const { Date: Machine } = globalThis
const now = () => {
  try {
    return Machine.now() + Number(readFileSync(${JSON.stringify(file)}, 'utf8'))
  } catch {
    return Machine.now()
  }
}
globalThis.Date = class Date extends Machine {
  constructor(...args) {
    super(...(args.length === 0 ? [now()] : args))
  }
  static now() {
    return now()
  }
}
`
