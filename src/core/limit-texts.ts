import type { LimitScope, LimitWindow } from './limit.ts'

/** What the words of an error row say, before its fields are asked. */
export type Meaning =
  | { type: 'limit'; window: LimitWindow; scope: LimitScope; verdict: LimitVerdict; evidence: Evidence }
  /** Something else. `firm`: whatever the fields say. */
  | { type: 'other'; reason: string; firm: boolean }
  /** `organization`: the words speak of somebody else's money. */
  | { type: 'unknown'; organization: boolean }

type LimitVerdict = 'switch' | 'offer' | 'tell'

/** `seen`: in real rows. `likely`: a new wording of a known shape. `weak`: needs a field that says the same. */
type Evidence = 'seen' | 'likely' | 'weak'

type Wording = {
  head: RegExp
  /** Without these words after it, the wording is offered. */
  tail?: RegExp
  window: LimitWindow
  verdict: 'switch' | 'offer'
  seen: string
}

/**
 * The wordings of Claude Code's own limits up to their first separator, in lower case, with the versions in whose
 * rows, or bundles, they were seen. Only these may switch: a wording that is not here is offered at most.
 */
const WORDINGS: Wording[] = [
  {
    head: /^claude ai usage limit reached\|[12]\d{9}(?:\d{3})?$/,
    window: 'unknown',
    verdict: 'switch',
    seen: '0.2.126–2.0.1',
  },
  { head: /^(?:5-hour|session) limit reached$/, window: 'session', verdict: 'switch', seen: '1.0.89–2.0.70' },
  { head: /^weekly limit reached$/, window: 'weekly', verdict: 'switch', seen: '1.0.90–2.0.70' },
  // Claims that the version has no name for: the row cannot tell whose limit it is.
  { head: /^usage limit reached$/, window: 'unknown', verdict: 'offer', seen: '1.0.90–2.0.70' },
  // Any window whose extra usage is refused, and the user's own cap on extra usage as well.
  { head: /^spending cap reached$/, window: 'spend', verdict: 'offer', seen: '1.0.90–2.0.50' },
  {
    head: /^limit reached$/,
    tail: /\bresets?\b|\/upgrade\b|\/extra-usage\b/,
    window: 'unknown',
    verdict: 'switch',
    seen: '2.0.60–2.0.70',
  },
  // What the screens of 1.0 made of the text with the epoch, as users copied it.
  {
    head: /^claude (?:ai )?usage limit reached$/,
    tail: /\blimit will reset at \d/,
    window: 'unknown',
    verdict: 'switch',
    seen: '1.0',
  },
  {
    head: /^you've (?:hit|reached) your (?:5-hour|session) limit$/,
    window: 'session',
    verdict: 'switch',
    seen: '2.0.76–',
  },
  {
    head: /^you've (?:hit|reached) your weekly limit$/,
    window: 'weekly',
    verdict: 'switch',
    seen: '2.0.76–',
  },
  {
    head: /^you've (?:hit|reached) your monthly limit$/,
    window: 'monthly',
    verdict: 'switch',
    seen: '2.1.233',
  },
  // A window of the account whose extra usage is refused for a reason that the version has no words for.
  { head: /^you've (?:hit|reached) your limit$/, window: 'unknown', verdict: 'switch', seen: '2.0.76–' },
  { head: /^you've (?:hit|reached) your usage limit$/, window: 'unknown', verdict: 'offer', seen: '2.0.76–' },
  {
    head: /^you're out of (?:extra usage|usage credits)$/,
    window: 'credits',
    verdict: 'switch',
    seen: '2.0.76–',
  },
  {
    head: /^you've (?:hit|reached) your monthly spend limit$/,
    window: 'spend',
    verdict: 'offer',
    seen: '2.1.160–',
  },
  {
    head: /^you've (?:hit|reached) your usage credit limit$/,
    window: 'spend',
    verdict: 'offer',
    seen: '2.1.330',
  },
]

/** Trouble that is no plan's limit, whatever fields stand on the row. */
const FIRM: [RegExp, string][] = [
  [/\bapi error\b/, 'an API error is not a plan limit'],
  [/not your usage limit/, 'a throttle'],
  [/^claude ai usage limit reached ?\|(?![12]\d{9})/, 'an ordinary 429: its reset is no time'],
  [/\bnothing was sent\b|\bunanswered\b/, 'a question went unanswered'],
  [/^this service is (?:disabled|turned off)/, 'a policy of the organization, which no reset lifts'],
]

/** The same, unless the fields prove a limit. */
const ANYWHERE: [RegExp, string][] = [
  [
    /\bnow using\b|\bcontinu(?:es|ing) (?:on|with|automatically)\b|\bset to continue\b|\bretrying\b/,
    'the turn goes on',
  ],
  [/\bper (?:minute|second)\b/, 'a rate limit'],
]
const AT_THE_START: [RegExp, string][] = [
  [/^(?:you've used \d|you're close to|approaching |over \d)/, 'a warning: the turn went on'],
  [/\bhigh (?:load|demand)\b|\btemporar(?:y|ily)\b/, 'a throttle'],
  [/\blog ?in\b|\boauth\b|\bauthenticat|\bapi key\b|\bcredit balance\b/, 'about the login'],
  [/^(?:usage credits|extra usage) (?:is |are )?required for/, 'about the size of the context'],
]

/** What else can have a limit. A plan's window beside it ("weekly token limit") makes it a plan's again. */
const NOT_A_PLAN =
  /\b(?:rate|context|token|output|input|request|turn|length|image|file|upload|size|tool|memory|time|agent|subagent|concurren\w*|connection|device|watch|nesting|depth|recursion|fast|search|download|retry|iteration|stack|api|call|step|budget)s?\b/

const MODEL = /\b(?:claude[ -])?(opus|sonnet|haiku|fable|mythos)(?:[ -](\d{1,2}(?:[.-]\d{1,2})?))?\b/i
/** A model of a family that is not known yet: one capital word between "your" and "limit". */
const NEW_MODEL = /\byour ([A-Z][a-z]+(?: \d[\d.]*)?) (?:weekly )?limit\b/
const NO_MODEL =
  /^(?:Claude|Free|Pro|Max|Team|Enterprise|Premium|Standard|Plan|Usage|Session|Weekly|Monthly|Daily|Hourly|Account)\b/

const SOMEBODY_ELSE =
  /\b(?:org|organi[sz]ation|team|group|company|employer|enterprise|workspace|channel|department|project|seat|member|individual|shared|pooled|gateway|admin|administrator)(?:'?s)?\b/
/** A plan's name is nobody's budget. */
const PLAN_NAME = /\b(?:team|enterprise) plan(?:'s)?\b/
const MONEY = /\b(?:usage|spend(?:ing)?|budgets?|caps?|quota|credits?|allowance|allocation|limits?|funds)\b/
const ASK_AN_ADMIN = /\badmins?\b|\badministrators?\b|\bowner\b|\byour organi[sz]ation\b/
/** 2.0.60 says it to teams where it says "/upgrade" to others, whatever the limit is. */
const TEAM_UPSELL = /\bcontact an admin to increase limits\b/
const ANOTHER_MODEL = /\/model\b|\b(?:another|different|other) models?\b|\bswitch models?\b/

const HIT =
  /^you've (?:just |now |already )?(?:hit|reached|exceeded|exhausted|used up|used all(?: of)?) (?:your|the) .*\b(?:limit|cap|quota|allowance|usage|credits|budget)s?\b/
const OUT_OF =
  /^(?:you're|you've run|your .{1,40} (?:is|are)) out of (?:your )?.*\b(?:usage|credits|quota|funds)\b/
const REACHED =
  /\b(?:limit|cap|quota|allowance|budget) (?:has been |was |is )?(?:reached|hit|exceeded|exhausted|used up)\b/
const WITHHELD =
  /^your .*\b(?:doesn't include|disabled|set to \$0|paused|suspended)\b|\bis paused for your\b|^this request exceeds your\b/
/** A gateway's own words, which Claude Code prints as they come. */
const GATEWAY = /^spend(?:ing)? limit (?:reached|exceeded|unavailable)\b/

/** Reads the text of an error row. Its first words decide, and its first line alone counts. */
export function readText(text: string): Meaning {
  const line = normalizeText(text)
  const { head, tail } = splitHead(line.toLowerCase())
  const firm = find(FIRM, line.toLowerCase())
  if (firm !== undefined) return { type: 'other', reason: firm, firm: true }
  return (
    readOrganization(head, tail) ??
    readOther(head, tail) ??
    readModel(line.slice(0, head.length), head) ??
    readAccount(head, tail) ?? { type: 'unknown', organization: isSomebodyElses(head + tail) }
  )
}

/** One line, plain spaces and apostrophes, ` · ` between its parts. */
export function normalizeText(text: string): string {
  const plain = text
    .replace(/\u001b\[[\d;]*m|[\p{Cf}\p{Variation_Selector}]/gu, '')
    .normalize('NFKC')
    .replace(/[‘’‛ʼʹ′´`]/g, "'")
    .replace(/[‐‑‒–—―−]/g, '-')
  const line = plain.split(/[\r\n\u0085\u2028\u2029]/).find((candidate) => candidate.trim() !== '') ?? ''
  return line
    .replace(/\s+/g, ' ')
    .replace(/ ?[·∙•⋅‧]+ ?| - | \| /g, ' · ')
    .replace(/^you(?:'?ve| have) /i, "You've ")
    .replace(/^you are /i, "You're ")
    .replace(/\b(?:5|five)[- ]?(?:h|hr|hour)\b/i, '5-hour')
    .trim()
}

/** What is used up, and the rest: the reset, where to buy more, what to do. */
function splitHead(line: string): { head: string; tail: string } {
  const end = line.search(/ · |[.;,:!](?= |$)| \(| (?:it |that |which |and |will |it'll )*resets?\b|$/)
  const head = line.slice(0, end)
  const tail = line.slice(end)
  // 1.0.90–2.0.20, on a team: "5-hour limit resets 4pm (UTC) ∙ contact an admin to keep working".
  const bare = !head.startsWith('you') && head.endsWith(' limit') && /^ resets?\b/.test(tail)
  return { head: bare ? `${head} reached` : head, tail }
}

/** Somebody else decided it: an administrator, a team's budget, a gateway. */
function readOrganization(head: string, tail: string): Meaning | undefined {
  const whose = head.replace(PLAN_NAME, '')
  const shaped = HIT.test(whose) || OUT_OF.test(whose) || REACHED.test(whose) || WITHHELD.test(whose)
  const theirs = SOMEBODY_ELSE.test(whose) && MONEY.test(whose) && shaped && isSomebodyElses(head + tail)
  return theirs || GATEWAY.test(head) ? organizationLimit(windowOf(head)) : undefined
}

function isSomebodyElses(line: string): boolean {
  return SOMEBODY_ELSE.test(line) && MONEY.test(line) && !/\brate limit|\bper minute\b|\bapi key\b/.test(line)
}

function organizationLimit(window: LimitWindow): Meaning {
  return { type: 'limit', window, scope: { type: 'organization' }, verdict: 'tell', evidence: 'seen' }
}

function readOther(head: string, tail: string): Meaning | undefined {
  const reason = find(ANYWHERE, head + tail) ?? find(AT_THE_START, head)
  if (reason !== undefined) return { type: 'other', reason, firm: false }
  const isPlans = /\b(?:5-hour|session|daily|weekly|monthly)\b/.test(head) || !NOT_A_PLAN.test(head)
  return isPlans ? undefined : { type: 'other', reason: 'a limit of something else', firm: false }
}

/** A limit of one model leaves the others usable. */
function readModel(original: string, head: string): Meaning | undefined {
  const needsCredits = /\b(?:requires|needs) usage credits\b/.test(head)
  if (!HIT.test(head) && !REACHED.test(head) && !needsCredits) return undefined
  const known = MODEL.exec(original)
  const name = known ? modelName(known[1] ?? '', known[2]) : NEW_MODEL.exec(original)?.[1]
  if (name === undefined || NO_MODEL.test(name)) return undefined
  const window = needsCredits ? 'credits' : windowOf(head) === 'unknown' ? 'weekly' : windowOf(head)
  const evidence = HIT.test(head) || known ? 'seen' : 'weak'
  return { type: 'limit', window, scope: { type: 'model', name }, verdict: 'offer', evidence }
}

/** "Opus", "Fable 5", "Opus 4.6". */
export function modelName(family: string, version: string | undefined): string {
  const name = family.slice(0, 1).toUpperCase() + family.slice(1).toLowerCase()
  return version === undefined ? name : `${name} ${version.replace('-', '.')}`
}

function readAccount(head: string, tail: string): Meaning | undefined {
  const known = WORDINGS.find((wording) => wording.head.test(head))
  const shaped = HIT.test(head) || OUT_OF.test(head)
  if (!known && !shaped && !REACHED.test(head)) return undefined
  const window = known?.window ?? windowOf(head)
  // A plan's window is the plan's on a team too; what an administrator can raise otherwise is a cap of theirs.
  const isWindow = window === 'session' || window === 'weekly'
  const isTeams = !isWindow && TEAM_UPSELL.test(tail)
  if (ASK_AN_ADMIN.test(tail) && !isWindow && !isTeams) return organizationLimit(window)
  const isWhole =
    (known?.tail === undefined || known.tail.test(tail)) && !ANOTHER_MODEL.test(tail) && !isTeams
  const verdict = known?.verdict === 'switch' && isWhole ? 'switch' : 'offer'
  const evidence = known ? 'seen' : shaped ? 'likely' : 'weak'
  return { type: 'limit', window, scope: { type: 'account' }, verdict, evidence }
}

function windowOf(head: string): LimitWindow {
  if (/\bspend(?:ing)?\b|\bbudget\b/.test(head)) return 'spend'
  if (/\bcredits?\b|\bextra usage\b|\bout of\b|\bfunds\b/.test(head)) return 'credits'
  if (/\b5-hour\b|\bsession\b/.test(head)) return 'session'
  if (/\bweek(?:ly)?\b|\b(?:7|seven)[- ]day\b/.test(head)) return 'weekly'
  return /\bmonth(?:ly)?\b/.test(head) ? 'monthly' : 'unknown'
}

function find(table: [RegExp, string][], words: string): string | undefined {
  return table.find(([pattern]) => pattern.test(words))?.[1]
}
