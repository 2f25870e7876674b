/** The words of a command line, or what is wrong with it and what to do, without a word of it. */
export type Split = { type: 'words'; words: string[] } | { type: 'wrong'; why: string; repair: string }

const SHELL =
  'Write ["sh", "-c", "…"] into the config file where a shell is to run it, or quote the character.'

/**
 * Splits one text into words as a POSIX shell does, with its quotes and backslashes, but expands nothing. What only a
 * shell could do (a pipe, a variable) is refused, rather than handed to the program as a word.
 */
export function splitWords(text: string): Split {
  const words: string[] = []
  let word: string | undefined
  const pieces = /\s+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(['"\\])/gsu
  for (const [piece, single, double, escaped, bare, open] of text.matchAll(pieces)) {
    if (open !== undefined) {
      return { type: 'wrong', why: `has a ${open} that nothing follows`, repair: 'Close the quote.' }
    }
    const shell =
      /[|&;<>`$]/.exec(bare ?? '') ??
      /[`$]/.exec(double?.replace(/\\./gsu, '') ?? '') ??
      (word === undefined ? /^~/.exec(bare ?? '') : null)
    if (shell !== null)
      return { type: 'wrong', why: `has a ${shell[0]}, but runs without a shell`, repair: SHELL }
    const part = single ?? double?.replace(/\\([\\"$`])/g, '$1') ?? escaped ?? bare
    if (part !== undefined) word = (word ?? '') + part
    else if (word !== undefined && piece.trim() === '') {
      words.push(word)
      word = undefined
    }
  }
  if (word !== undefined) words.push(word)
  return { type: 'words', words }
}

/** True for a path that means another program in every folder: `./x`, `bin/x`; a bare name is looked up on PATH. */
export function isRelativePath(program: string): boolean {
  return program.includes('/') && !program.startsWith('/')
}

/** One word for a POSIX shell, bash and zsh, whatever is in it. */
export function quoteWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
