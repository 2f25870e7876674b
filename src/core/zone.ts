/*
 * A wall time is what the clocks of a zone show, written as the epoch ms at which UTC shows it.
 */

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** Whether Intl knows the IANA zone, in any case. */
export function isZone(timeZone: string): boolean {
  return formatOf(timeZone) !== undefined
}

/** One instant for a wall time: the first that is ahead, else the first; where the hour is skipped, the hour after. */
export function instantAt(wall: number, now: number, timeZone: string): number {
  const instants = instantsAt(wall, timeZone)
  const ahead = instants.find((instant) => instant >= now - (now % MINUTE))
  return ahead ?? instants[0] ?? wall - offsetAt(wall - DAY, timeZone)
}

/** All instants, in order, at which the zone's clocks show the wall time: one, two where an hour repeats, or none. */
export function instantsAt(wall: number, timeZone: string): number[] {
  const offsets = [wall - DAY, wall, wall + DAY].map((instant) => offsetAt(instant, timeZone))
  const instants = [...new Set(offsets)].map((offset) => wall - offset)
  return instants.filter((instant) => wallAt(instant, timeZone) === wall).sort((a, b) => a - b)
}

function offsetAt(instant: number, timeZone: string): number {
  return wallAt(instant, timeZone) - instant
}

/** The wall time that the zone's clocks show. An unknown zone counts as UTC. */
export function wallAt(instant: number, timeZone: string): number {
  const format = formatOf(timeZone)
  if (format === undefined) return instant
  const parts: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(instant)) parts[type] = Number(value)
  const { year = 0, month = 1, day = 0, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((instant % 1000) + 1000) % 1000)
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** `undefined` for a zone that Intl does not know. A format costs 50 µs to make, so each is made once. */
function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  const known = formats.get(timeZone)
  if (known) return known
  try {
    const format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    // Zones are spelled in the rows, in any case: no file may fill the memory with them.
    if (formats.size > 1000) formats.clear()
    formats.set(timeZone, format)
    return format
  } catch {
    return undefined
  }
}
