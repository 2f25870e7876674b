/** One picture of a demo: what is to be seen, and what the user would do then. */
type Scene = {
  caption: string
  isThere: (screen: string) => boolean
  /** Pressed once it is there. */
  keys?: string
}

export type Demo = {
  /** What to watch for, and to press, where the demo runs live. */
  introduction: string
  /** `claude`: without claudef, with the monitor beside it. Default: claudef. */
  program?: 'claude'
  prompt: string
  env: Record<string, string>
  /** So many seconds from the start the session may go back to the subscription, which takes prompts again. */
  backInS?: number
  scenes: Scene[]
}

export const DEMO_NAMES = ['switch', 'banner', 'return', 'draft', 'budget', 'monitor'] as const

type DemoName = (typeof DEMO_NAMES)[number]

const PROMPT = 'Write a haiku about terminals'

/** Ctrl+] */
const SWITCH_KEY = '\x1d'

const onSubscription: Scene = {
  caption: '1. A session on the subscription. The prompt has been sent.',
  isThere: (screen) => screen.includes('Claude Max') && screen.includes(PROMPT),
}

const automatic = { CLAUDE_FALLBACK_AUTO_RESTART: '1' }

export const DEMOS: Record<DemoName, Demo> = {
  switch: {
    introduction: 'Its first prompt meets the usage limit; watch it go on.',
    prompt: PROMPT,
    env: automatic,
    scenes: [
      onSubscription,
      {
        caption: '2. The same conversation on the API key: the limit was met, nobody pressed a key.',
        isThere: isOnApi,
      },
    ],
  },
  banner: {
    introduction:
      'Its first prompt meets the usage limit, and the row at the bottom offers to go on. Ctrl+] asks, Enter says yes.',
    prompt: PROMPT,
    // One answer first: from what it used, the price is estimated.
    env: { FAKE_CLAUDE_LIMIT_AFTER: '1' },
    scenes: [
      {
        ...onSubscription,
        isThere: (screen) => screen.includes('(via subscription)'),
        keys: 'And one more\r',
      },
      {
        caption: '2. The limit: the row at the bottom offers the key. Ctrl+] is pressed.',
        isThere: (screen) => screen.includes('continue on API billing'),
        keys: SWITCH_KEY,
      },
      {
        caption: '3. What it would cost. Only Enter says yes.',
        isThere: (screen) => screen.includes('First request about'),
        keys: '\r',
      },
      { caption: '4. The same conversation on the API key; the row has become a meter.', isThere: isOnApi },
    ],
  },
  return: {
    introduction:
      'Its first prompt meets the usage limit, and it goes on with the key. The limit resets in some seconds; watch\n' +
      'it go back by itself.',
    prompt: PROMPT,
    env: automatic,
    backInS: 10,
    scenes: [
      { caption: '1. The same conversation on the API key: the limit was met.', isThere: isOnApi },
      {
        caption: '2. The limit has reset: back on the subscription, by itself, and what it has cost.',
        isThere: (screen) => screen.includes('Claude Max') && screen.includes('Back on your subscription'),
      },
    ],
  },
  draft: {
    introduction:
      'Its first prompt takes some seconds, and then meets the usage limit. Type meanwhile, without Enter: what you\n' +
      'typed stands there again after the switch.',
    prompt: PROMPT,
    env: { ...automatic, FAKE_CLAUDE_REPLY_MS: '3000' },
    scenes: [
      {
        caption: '1. While the prompt is under way, the next one is being typed.',
        isThere: (screen) => screen.includes('Claude Max') && screen.includes(PROMPT),
        keys: 'and then one about half a dr',
      },
      {
        caption: '2. Half of it stands in the box. The limit comes.',
        isThere: (screen) => screen.includes('half a dr') && screen.includes('Claude Max'),
      },
      {
        caption: '3. The same conversation on the API key, and in the box what was being typed.',
        isThere: (screen) => isOnApi(screen) && /❯\s.*half a dr/.test(screen),
      },
    ],
  },
  budget: {
    introduction:
      'Its first prompt meets the usage limit, and it goes on with the key; half a cent is all it may spend. Watch the\n' +
      'cap end it.',
    prompt: PROMPT,
    env: { ...automatic, CLAUDE_FALLBACK_MAX_USD: '0.005' },
    scenes: [
      {
        caption: '1. On the API key, with a cap of half a cent.',
        isThere: (screen) => screen.includes('API Usage Billing') && screen.includes('Continue where'),
      },
      {
        caption: '2. The cap is reached: API billing has ended, the conversation waits on the subscription.',
        isThere: (screen) => screen.includes('API billing has ended') && screen.includes('Claude Max'),
      },
    ],
  },
  monitor: {
    introduction:
      'This one runs without claudef, and the monitor beside it. Its first prompt meets the usage limit; /exit, and you\n' +
      'see what the monitor said.',
    program: 'claude',
    prompt: PROMPT,
    env: {},
    scenes: [
      {
        caption: '1. A plain session, without claudef, meets the limit.',
        isThere: (screen) => screen.includes("You've hit your 5-hour limit"),
      },
    ],
  },
}

function isOnApi(screen: string): boolean {
  return screen.includes('API Usage Billing') && screen.includes('(via API)')
}
