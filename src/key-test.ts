/** What the API says of a key. */
export type KeyTest = {
  type: 'valid' | 'rate limited' | 'invalid' | 'no credit' | 'unclear' | 'unreachable'
  /** For people; never with a word of the server's, which may repeat the key. */
  sentence: string
}

const TIME_LIMIT = 10_000
/** The most that is read of an answer, bytes. */
const MOST_READ = 65_536

/**
 * Asks for one of the API's models, which costs nothing: `GET /v1/models` at `ANTHROPIC_BASE_URL`, by default
 * `https://api.anthropic.com`. Never rejects.
 * @param timeLimit in ms. Default: 10 s
 */
export async function testKey(key: string, env: NodeJS.ProcessEnv, timeLimit = TIME_LIMIT): Promise<KeyTest> {
  const base = env.ANTHROPIC_BASE_URL?.trim() || 'https://api.anthropic.com'
  const url = URL.canParse(base) ? new URL(base) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return {
      type: 'unreachable',
      sentence: 'ANTHROPIC_BASE_URL is no URL of http or https. Repair or unset it.',
    }
  }
  const { host } = url
  try {
    const response = await fetch(`${base.replace(/\/+$/, '')}/v1/models?limit=1`, {
      headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
      // It would take the key along to wherever it leads.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeLimit),
    })
    return judge(response.status, await readStart(response), host)
  } catch (error) {
    return { type: 'unreachable', sentence: explainFailure(error, { host, env, timeLimit }) }
  }
}

async function readStart({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MOST_READ) break
  }
  return Buffer.concat(chunks).toString()
}

function judge(status: number, text: string, host: string): KeyTest {
  if (status >= 400 && status < 500 && /"billing_error"|credit balance/i.test(text)) {
    const sentence = `The key is known to ${host}, but has no credit. Add some in the Claude Console.`
    return { type: 'no credit', sentence }
  }
  if (status === 401 || status === 403) {
    return { type: 'invalid', sentence: `The key is not valid: ${host} refused it (${status}).` }
  }
  if (status === 429) {
    return { type: 'rate limited', sentence: `The key is valid; ${host} limits its rate just now (429).` }
  }
  if (status === 200 && isModelList(text)) {
    const more = 'Whether it has credit left shows with the first request.'
    return { type: 'valid', sentence: `The key is valid: ${host} took it. ${more}` }
  }
  if (status >= 500) {
    return { type: 'unreachable', sentence: `${host} has a fault of its own (${status}). Try again later.` }
  }
  const what = status === 200 ? 'something other than a list of models' : `status ${status}`
  return { type: 'unclear', sentence: `${host} answered with ${what}: that tells nothing of the key.` }
}

function isModelList(text: string): boolean {
  try {
    return Array.isArray((JSON.parse(text) as { data?: unknown } | null)?.data)
  } catch {
    return false
  }
}

function explainFailure(
  error: unknown,
  { host, env, timeLimit }: { host: string; env: NodeJS.ProcessEnv; timeLimit: number },
): string {
  const { name, cause } = error as Error & { cause?: NodeJS.ErrnoException }
  const why = name === 'TimeoutError' ? `no answer within ${timeLimit / 1000} s` : (cause?.code ?? name)
  const proxy = env.HTTPS_PROXY || env.https_proxy ? ' This test does not go by HTTPS_PROXY.' : ''
  return `${host} cannot be reached (${why}).${proxy}`
}
