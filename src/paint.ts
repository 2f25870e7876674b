import { Chalk } from 'chalk'
import type { Paint } from './core/plain-text.ts'

/** Colours for a terminal that has them and whose user did not turn them off (https://no-color.org); else none. */
export function choosePaint({ env, stdout }: { env: NodeJS.ProcessEnv; stdout: { isTTY?: boolean } }): Paint {
  const isColoured = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  return new Chalk({ level: isColoured ? 1 : 0 })
}
