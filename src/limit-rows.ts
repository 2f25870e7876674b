import { mostUsd, wouldReach } from './core/budget.ts'
import { timeOf } from './core/json.ts'
import { type Limit, limitKey, parseApiFailure, parseLimit } from './core/limit.ts'
import { isClockBehind } from './core/policy.ts'
import { readRunning } from './core/running.ts'
import { isObject } from './core/settings.ts'
import { readQueue } from './core/unsent.ts'
import type { Watch } from './fallback.ts'
import { explainMissingKey } from './key.ts'
import { localZone } from './reserved-row.ts'
import { releaseTyping } from './switch.ts'
import { readLastUsage } from './transcript.ts'

/** A row that is from later than now by more than this, in ms, is from before the clock was set back. */
const AHEAD_MS = 5000

/** Takes one row of the conversation's transcript, or of a subagent's. */
export function readRow(watch: Watch, row: unknown): void {
  const { session, inputBox, running, spending } = watch
  const now = session.world.now()
  if (isClockBehind(watch.state, now)) watch.dispatch({ type: 'clock', now })
  const { state } = watch
  const at = timeOf(row)
  const isAhead = at !== undefined && at > now + AHEAD_MS
  // Of a conversation that was there before, the end is read again.
  if (at === undefined || (at >= state.startedAt && !isAhead)) {
    readRunning(running, row)
    const prompt = readQueue(watch.queue, row)
    if (prompt !== undefined) {
      // The prompt that claudef itself has given is no key's.
      if (!watch.isPromptDue) inputBox.confirm(prompt)
      watch.isPromptDue = false
      releaseTyping(watch)
    }
  }
  spending.take(row)
  if (isAhead) return
  if (state.billing === 'api') {
    const failure = parseApiFailure(row)
    if (failure !== undefined) watch.dispatch({ type: 'failure', failure, at })
    return
  }
  const limit = parseLimit(row, { now, timeZone: localZone() })
  if (limit === undefined) return
  const version = isObject(row) && typeof row.version === 'string' ? row.version : undefined
  void meetLimit(watch, limit, version)
}

/** A key is looked up, and a price asked for, only now that they are needed. */
async function meetLimit(watch: Watch, limit: Limit, version: string | undefined): Promise<void> {
  const { session, state } = watch
  const isPast = limit.at !== undefined && limit.at < state.startedAt
  if (isPast || state.next !== undefined || state.met.includes(limitKey(limit))) return
  // Others may have spent what a cap leaves.
  await Promise.all([requireKey(watch), watch.spending.refresh()])
  const usd = await guessUsd(watch).catch((error) => {
    session.log(`what a switch would cost is not known: ${error}`)
    return undefined
  })
  watch.dispatch({ type: 'limit', limit, version, usd })
}

export async function requireKey(watch: Watch): Promise<void> {
  watch.rules = { ...watch.rules, noKey: explainMissingKey(await watch.session.lookUpKey()) }
}

/** USD of the first request on the key: at the very most where that is no trouble, else as the price table has it. */
async function guessUsd(watch: Watch): Promise<number | undefined> {
  const { rules, state, spending, conversation } = watch
  const transcript = conversation.transcript()
  const isCapped = rules.caps.session !== Infinity || rules.caps.day !== Infinity
  if (!rules.autoRestart || !isCapped || transcript === undefined) return undefined
  const last = await readLastUsage(transcript)
  if (last === undefined) return undefined
  const most = mostUsd(last.input + last.cacheRead + last.cacheWrite5m + last.cacheWrite1h + last.output)
  if (!wouldReach(state.spent, rules.caps, most)) return most
  return (await spending.estimate(last))?.usd ?? most
}

export async function estimate({ conversation, spending, row }: Watch): Promise<void> {
  const transcript = conversation.transcript()
  const last = transcript === undefined ? undefined : await readLastUsage(transcript)
  row.estimate(await spending.estimate(last).catch(() => undefined))
}
