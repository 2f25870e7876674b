import { quoteWord } from './words.ts'

const BEGIN = '# >>> claude-fallback >>>'
const END = '# <<< claude-fallback <<<'

/** What the begin marker remembers, so that taking the block away leaves what was there before. */
const WAS_MISSING = ' (this file was made for it)'
const WAS_UNENDED = ' (the line before had no end)'

type Block = { from: number; to: number; note: string }

/**
 * The lines for an rc file that source our file, in that shell only: many a zsh sources `~/.bashrc`. A bash in POSIX
 * mode allows no hyphen in a function's name, and ends at one.
 */
export function renderBlock(shell: 'bash' | 'zsh', file: string): string {
  const isShell =
    shell === 'zsh' ? `[ -n "\${ZSH_VERSION-}" ]` : `[ -n "\${BASH_VERSION-}" ] && ! [ -o posix ]`
  const word = quoteWord(file)
  return `${BEGIN}
if ${isShell} && [ -r ${word} ]; then
  . ${word}
fi
${END}
`
}

/**
 * The rc file with the block in it, once: in the place of the one that is there, else at the end.
 * @param text undefined where there is no file
 * @throws where a marker has lost its other half: what is ours cannot be told
 */
export function addBlock(text: string | undefined, block: string): string {
  const [first, ...more] = findBlocks(text ?? '')
  if (text === undefined) return note(block, WAS_MISSING)
  if (first === undefined) {
    return text === '' || text.endsWith('\n') ? text + block : `${text}\n${note(block, WAS_UNENDED)}`
  }
  const rest = cut(text, more)
  return rest.slice(0, first.from) + note(block, first.note) + rest.slice(first.to)
}

/**
 * The rc file as it would be without us; undefined where there would be none.
 * @throws where a marker has lost its other half
 */
export function removeBlocks(text: string): string | undefined {
  const blocks = findBlocks(text)
  const wasMissing = blocks.some((block) => block.note === WAS_MISSING)
  const rest = cut(text, blocks)
  return rest === '' && wasMissing ? undefined : rest
}

function note(block: string, words: string): string {
  return block.replace(BEGIN, BEGIN + words)
}

function cut(text: string, blocks: readonly Block[]): string {
  let rest = text
  for (const { from, to, note } of blocks.toReversed()) {
    const before = rest.slice(0, from)
    const after = rest.slice(to)
    // The line end that we added is needed where somebody has gone on after the block.
    rest = note === WAS_UNENDED && after === '' ? before.replace(/\r?\n$/, '') : before + after
  }
  return rest
}

/** An editor, or git, may have given our lines other ends. */
function findBlocks(text: string): Block[] {
  const blocks: Block[] = []
  let open: { from: number; note: string; line: number } | undefined
  let from = 0
  for (const [index, row] of (text.match(/[^\n]*\n|[^\n]+$/g) ?? []).entries()) {
    const line = row.replace(/\r?\n?$/, '')
    const to = from + row.length
    if (line.startsWith(BEGIN)) {
      if (open !== undefined) throw brokenBlock(open.line, BEGIN, END)
      open = { from, note: line.slice(BEGIN.length), line: index + 1 }
    } else if (line === END) {
      if (open === undefined) throw brokenBlock(index + 1, END, BEGIN)
      blocks.push({ from: open.from, to, note: open.note })
      open = undefined
    }
    from = to
  }
  if (open !== undefined) throw brokenBlock(open.line, BEGIN, END)
  return blocks
}

function brokenBlock(line: number, found: string, missing: string): Error {
  return new Error(`line ${line} is '${found}' without its '${missing}'. Take our lines out by hand`)
}
