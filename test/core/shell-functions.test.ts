import { describe, expect, test } from 'vitest'
import { addBlock, removeBlocks, renderBlock } from '../../src/core/rc-block.ts'
import { parseShell, renderFunctions, SHELLS } from '../../src/core/shell-functions.ts'
import { quoteWord } from '../../src/core/words.ts'

test.each([
  ['/bin/bash', 'bash'],
  ['-zsh', 'zsh'],
  ['/nix/store/0abc-fish-3.6/bin/fish', 'fish'],
  ['/bin/ksh', undefined],
  ['/opt/bash/dash', undefined],
  ['', undefined],
] as const)('the shell of %j is %s', (text, shell) => {
  expect(parseShell(text)).toBe(shell)
})

test.each(SHELLS)('%s gets the alias where it is asked for, and the rest all the same', (shell) => {
  const plain = renderFunctions(shell, { alias: false })
  const aliased = renderFunctions(shell, { alias: true })
  expect(aliased.startsWith(plain.trimEnd())).toBe(true)
  expect(plain).not.toContain('claude=claudef')
  expect(aliased).toContain('claude=claudef')
})

test('a quote in a word is closed, written, opened again', () => {
  expect(quoteWord("it's")).toBe(`'it'\\''s'`)
})

describe('the block in an rc file', () => {
  const block = renderBlock('bash', "/home/o'neil/functions.bash")
  const older = block.replace('fi\n', 'fi # of an older version\n')

  test('reads as it should', () => {
    expect(block).toMatchInlineSnapshot(`
      "# >>> claude-fallback >>>
      if [ -n "\${BASH_VERSION-}" ] && ! [ -o posix ] && [ -r '/home/o'\\''neil/functions.bash' ]; then
        . '/home/o'\\''neil/functions.bash'
      fi
      # <<< claude-fallback <<<
      "
    `)
  })

  test.each([
    ['no file', undefined],
    ['an empty one', ''],
    ['lines', 'export A=1\n\n'],
    ['a last line without its end', 'export A=1\nexport B=2'],
    ['only a line without its end', 'x'],
    ['CRLF', 'export A=1\r\nexport B=2\r\n'],
    ['CRLF and a last line without its end', 'export A=1\r\nexport B=2'],
    ['lone CR and bytes that are no UTF-8', 'a\rb\xff\xfe\x00\n'],
    ['empty lines at its end', 'a\n\n\n\n'],
  ])('comes and goes without a trace: %s', (_, text) => {
    const added = addBlock(text, block)
    expect(added).toContain(block.slice(block.indexOf('\n')))
    expect(addBlock(added, block)).toBe(added)
    expect(removeBlocks(added)).toBe(text)
    // As does an older one that has been renewed since.
    expect(addBlock(addBlock(text, older), block)).toBe(added)
    // As it does where git or an editor has turned all line ends.
    const turned = added.replace(/\r?\n/g, '\r\n')
    expect(removeBlocks(turned)).toBe(text?.replace(/\r?\n/g, '\r\n'))
  })

  test.each([undefined, '', 'before\n', 'before'])(
    'leaves what came before and after it since: %j',
    (text) => {
      const added = `first\n${addBlock(text, block)}last`
      const line = text === 'before' ? 'before\n' : (text ?? '')
      expect(removeBlocks(added)).toBe(`first\n${line}last`)
      expect(addBlock(added, block)).toBe(added)
    },
  )

  test('stands there once, in its first place', () => {
    const text = `a\n${older}b\n${older}c\n`
    expect(addBlock(text, block)).toBe(`a\n${block}b\nc\n`)
    expect(removeBlocks(text)).toBe('a\nb\nc\n')
  })

  test.each([
    ['a\n# >>> claude-fallback >>>\nb\n', 'line 2'],
    ['a\nb\n# <<< claude-fallback <<<\n', 'line 3'],
    [`# >>> claude-fallback >>>\n${block}`, 'line 1'],
    [`${block}# >>> claude-fallback >>> (this file was made for it)`, 'line 6'],
  ])('is told, and nothing touched, where half of it is gone: %j', (text, place) => {
    expect(() => addBlock(text, block)).toThrow(place)
    expect(() => removeBlocks(text)).toThrow(place)
  })

  test('words that look like a marker are none', () => {
    const text = 'echo "# >>> claude-fallback >>>"\n  # <<< claude-fallback <<<\n'
    expect(removeBlocks(text)).toBe(text)
  })
})
