import type { IModes, Terminal } from '@xterm/headless'

export type ScreenModes = IModes & {
  buffer: 'normal' | 'alternate'
  cursorVisible: boolean
  /** DEC private modes (`CSI ? n h`) that the program turned on and has not turned off, ascending. */
  privateModes: number[]
  /** Kitty keyboard flags pushed (`CSI > n u`) and not popped; each screen has a stack of its own. */
  kittyPushes: { normal: number; alternate: number }
  /** modifyOtherKeys (`CSI > 4 ; n m`), 0 when off. */
  modifyOtherKeys: number
  /** Rows of the scroll region (`CSI top ; bottom r`) counted from 1; undefined when it is the whole screen. */
  scrollRegion: [top: number, bottom: number] | undefined
}

// On from the start: wraparound, the cursor's blinking (in some terminals), the cursor itself.
const onByDefault = new Set([7, 12, 25])

/**
 * Follows the terminal modes that a program sets. Returns a function that tells their present state.
 * Beside xterm's own account it keeps those that xterm's headless build ignores or hides.
 */
export const followModes = (terminal: Terminal): (() => ScreenModes) => {
  const privateModes = new Set(onByDefault)
  const kittyPushes = { normal: 0, alternate: 0 }
  let modifyOtherKeys = 0
  let scrollRegion: [number, number] | undefined

  const { parser } = terminal
  parser.registerCsiHandler({ prefix: '?', final: 'h' }, (params) => {
    for (const mode of params.flat()) privateModes.add(mode)
    return false
  })
  parser.registerCsiHandler({ prefix: '?', final: 'l' }, (params) => {
    for (const mode of params.flat()) privateModes.delete(mode)
    return false
  })
  parser.registerCsiHandler({ prefix: '>', final: 'u' }, () => {
    kittyPushes[terminal.buffer.active.type] += 1
    return false
  })
  parser.registerCsiHandler({ prefix: '<', final: 'u' }, ([count]) => {
    const { type } = terminal.buffer.active
    kittyPushes[type] = Math.max(0, kittyPushes[type] - Number(count || 1))
    return false
  })
  parser.registerCsiHandler({ prefix: '>', final: 'm' }, ([resource, value]) => {
    if (resource === 4) modifyOtherKeys = Number(value ?? 0)
    return false
  })
  parser.registerCsiHandler({ final: 'r' }, ([top, bottom]) => {
    const region: [number, number] = [Number(top || 1), Number(bottom || terminal.rows)]
    scrollRegion = region[0] === 1 && region[1] === terminal.rows ? undefined : region
    return false
  })
  return () => ({
    ...terminal.modes,
    buffer: terminal.buffer.active.type,
    cursorVisible: privateModes.has(25),
    privateModes: [...privateModes].filter((mode) => !onByDefault.has(mode)).sort((a, b) => a - b),
    kittyPushes: { ...kittyPushes },
    modifyOtherKeys,
    scrollRegion,
  })
}
