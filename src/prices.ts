import type { ModelPrice, Prices, TokenRates } from './core/spend.ts'

type Library = typeof import('@pydantic/genai-prices')
type Rate = { base: number; long: number | undefined; aboveTokens: number | undefined }

const MILLION = 1_000_000
const PROVIDER = { providerId: 'anthropic' }

/**
 * USD per million tokens of models that @pydantic/genai-prices 0.1.8 does not know, in the order input, output, cache
 * read, cache writes of 5 minutes and of 1 hour: as Claude Code 2.1.330 bills them (test/real/spend.test.ts). The
 * library goes first, so that its next release corrects what is here.
 */
const MEASURED: Record<string, ModelPrice> = {
  'claude-sonnet-5-5': makePrice([2, 10, 0.1, 2.5, 4]),
  'claude-haiku-5-5': {
    ...makePrice([0.1, 0.5, 0.01, 0.125, 0.2]),
    longPrompt: { aboveTokens: 100_000, ...makeRates([0.5, 2.5, 0.05, 0.625, 1]) },
  },
  'claude-fable-5-2': makePrice([8, 40, 0.2, 10, 16]),
}

/** How many times the price in fast mode: Claude Code 2.1.330's own factors (measured). */
const FAST: Record<string, number> = {
  'claude-opus-4-6': 6,
  'claude-opus-4-7': 6,
  'claude-opus-4-8': 2,
  'claude-opus-5': 2,
  'claude-opus-5-5': 2,
  'claude-fable-5-2': 2,
}

/**
 * The price table that comes with @pydantic/genai-prices; the network is never asked. Loading it takes some 40 ms: not
 * before Claude Code runs.
 * @param now prices change: which day's; default now
 */
export async function loadPrices(now?: Date): Promise<Prices> {
  const library = await import('@pydantic/genai-prices')
  const timestamp = now ?? new Date()
  const known = new Map<string, ModelPrice | undefined>()
  return {
    of: (model) => {
      const name = normalizeModel(model)
      if (!known.has(name)) known.set(name, findPrice(library, name, timestamp))
      return known.get(name)
    },
    dearest: findDearest(library, timestamp),
  }
}

/**
 * The name of a model without what does not change its price: the window's `[1m]`, a date, and what Bedrock
 * (`us.anthropic.….-v1:0`) and Vertex (`…@20251001`) put around it.
 */
export function normalizeModel(model: string): string {
  return model
    .trim()
    .toLowerCase()
    .replace(/\[[^\]]*\]$/, '')
    .replace(/^(?:.*[./])?(?=claude-)/, '')
    .replace(/-v\d+(?::\d+)?$/, '')
    .replace(/[-@]\d{8}$/, '')
    .replace(/[-@]latest$/, '')
}

function findPrice(library: Library, name: string, timestamp: Date): ModelPrice | undefined {
  const found = library.calcPrice({ input_tokens: 0 }, name, { ...PROVIDER, timestamp })
  const isKnown = found !== null && !isOtherVersion(name, found.model.id)
  const price = isKnown ? readPrice(found.model_price) : own(MEASURED, name)
  const fast = own(FAST, name)
  return price === undefined || fast === undefined ? price : { ...price, fast }
}

/** The library takes a version that it does not know for the one whose name it begins with: Sonnet 5.5 for Sonnet 5. */
function isOtherVersion(name: string, id: string): boolean {
  return name.startsWith(id) && /^[-.]?\d/.test(name.slice(id.length))
}

/** Undefined where the table leaves out the price of input or output. */
function readPrice(price: Record<string, unknown>): ModelPrice | undefined {
  const input = readRate(price.input_mtok)
  const output = readRate(price.output_mtok)
  if (input === undefined || output === undefined) return undefined
  // The oldest models have no prompt cache; where only the price of an hour is missing, it is twice the input's.
  const cacheRead = readRate(price.cache_read_mtok) ?? input
  const cacheWrite5m = readRate(price.cache_write_mtok) ?? scale(input, 1.25)
  const cacheWrite1h = readRate(price.cache_write_1h_mtok) ?? scale(input, 2)
  const rates = [input, output, cacheRead, cacheWrite5m, cacheWrite1h] as const
  const [base, long] = [rates.map((rate) => rate.base), rates.map((rate) => rate.long ?? rate.base)]
  const searches = typeof price.web_searches_kcount === 'number' ? price.web_searches_kcount / 1000 : 0.01
  return {
    ...makeRates(base),
    webSearch: searches,
    ...(input.aboveTokens !== undefined && {
      longPrompt: { aboveTokens: input.aboveTokens, ...makeRates(long) },
    }),
  }
}

/** USD per million tokens: a number, or one with a tier for long prompts. */
function readRate(value: unknown): Rate | undefined {
  if (typeof value === 'number') return { base: value, long: undefined, aboveTokens: undefined }
  if (typeof value !== 'object' || value === null || !('base' in value) || !('tiers' in value))
    return undefined
  const { base, tiers } = value as { base: number; tiers: { start: number; price: number }[] }
  // Anthropic has one tier at most; of more the last is the dearest.
  const tier = tiers.at(-1)
  return { base, long: tier?.price, aboveTokens: tiers[0]?.start }
}

function scale({ base, long, aboveTokens }: Rate, factor: number): Rate {
  return { base: base * factor, long: long === undefined ? undefined : long * factor, aboveTokens }
}

function makeRates(perMillion: readonly number[]): TokenRates {
  const [input = 0, output = 0, cacheRead = 0, cacheWrite5m = 0, cacheWrite1h = 0] = perMillion.map(
    (usd) => usd / MILLION,
  )
  return { input, output, cacheRead, cacheWrite5m, cacheWrite1h }
}

function makePrice(perMillion: readonly number[]): ModelPrice {
  return { ...makeRates(perMillion), webSearch: 0.01 }
}

/** Of every kind of token the highest price that any model of Anthropic's has. */
function findDearest(library: Library, timestamp: Date): ModelPrice {
  const ids = library.findProvider(PROVIDER)?.models.map(({ id }) => id) ?? []
  const prices = [...ids, ...Object.keys(MEASURED)].flatMap(
    (id) => findPrice(library, normalizeModel(id), timestamp) ?? [],
  )
  // A long prompt counts too: nothing is known of the model, so its price for long ones neither.
  const rates = prices.flatMap((price) => [price, price.longPrompt ?? price])
  const highest = (kind: keyof TokenRates) => Math.max(...rates.map((rate) => rate[kind]))
  return {
    input: highest('input'),
    output: highest('output'),
    cacheRead: highest('cacheRead'),
    cacheWrite5m: highest('cacheWrite5m'),
    cacheWrite1h: highest('cacheWrite1h'),
    webSearch: Math.max(...prices.map(({ webSearch }) => webSearch)),
  }
}

function own<T>(table: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
