import type { ApiFailure } from './limit.ts'

/**
 * What error rows mean on an API key: the first that fits counts. Words in lower case, as 2.1.330 and the API itself
 * say them; `errors` are values of the row's `error`, or HTTP statuses.
 */
export const API_FAILURES: {
  type: ApiFailure['type']
  effect: ApiFailure['effect']
  words: RegExp
  errors: unknown[]
}[] = [
  {
    type: 'thinking',
    effect: 'tell',
    words: /\b(?:redacted_)?thinking\b.*\b(?:signature|blocks?)\b|\binvalid `?signature\b/,
    errors: [],
  },
  {
    type: 'spend_cap',
    effect: 'stop',
    words:
      /\breached (?:your|its) (?:specified )?[\w ]{0,20}usage limits?\b|^spend limit |\bspend limit reached\b/,
    errors: [],
  },
  {
    type: 'credit',
    effect: 'stop',
    words: /\bcredit balance\b|\benough credit\b/,
    errors: ['billing_error'],
  },
  {
    type: 'organization',
    effect: 'stop',
    words:
      /\borgani[sz]ation has (?:been )?disabled\b|\bdisabled organi[sz]ation\b|\bapi key authentication is disabled\b|\bnot have access to claude\b|\bpaused for your organi[sz]ation\b/,
    errors: ['oauth_org_not_allowed', 'account_on_hold', 'verification_required'],
  },
  {
    type: 'key',
    effect: 'stop',
    words:
      /\binvalid (?:x-)?api[- ]key\b|\bnot logged in\b|\bplease run \/login\b|\bfailed to authenticate\b/,
    errors: ['authentication_failed', 401],
  },
  {
    type: 'overload',
    effect: 'ignore',
    words:
      /\boverloaded\b|\bapi error: 5\d\d\b|\btimed out\b|\bconnection\b|\bhigh (?:load|demand)\b|\btemporarily limiting\b/,
    errors: ['server_error', 'overloaded', 500, 502, 503, 504, 529],
  },
  {
    type: 'model',
    effect: 'tell',
    words: /\bselected model\b|\brequired for 1m context\b|\blong context\b/,
    errors: ['model_not_found', 404],
  },
  {
    type: 'rate_limit',
    effect: 'tell',
    words: /\brequest rejected \(429\)|\brate.?limit|\bapi error: 429\b/,
    errors: ['rate_limit', 429],
  },
]
