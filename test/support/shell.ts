import { claudef } from './claudef.ts'
import type { Home } from './home.ts'
import { commandOf, findProcesses, readState, waitUntil } from './processes.ts'
import type { Screen, ScreenOptions } from './screen.ts'

/** An interactive shell without anybody's settings. */
export type Shell = { file: string; args: string[]; env: Record<string, string> }

export const bash: Shell = { file: 'bash', args: ['--norc', '--noprofile', '-i'], env: { PS1: 'prompt> ' } }
export const zsh: Shell = { file: 'zsh', args: ['-f', '-i'], env: { PS1: 'prompt> ' } }
export const fish: Shell = {
  file: 'fish',
  // With --no-config it has no bracketed paste. Without the folder it reads all manual pages, in the background.
  args: [
    '--private',
    '-i',
    '-C',
    'function fish_prompt; printf "prompt> "; end; set fish_greeting; mkdir -p $__fish_user_data_dir/generated_completions',
  ],
  env: {},
}

type Setup = {
  home: Home
  draw: (args: string[], options: Partial<ScreenOptions>) => Promise<Screen>
}

/** A shell on a screen, for claudef to be one of its jobs. */
export const openJob = async (setup: Setup, shell: Shell, env: Record<string, string> = {}) => {
  const screen = await setup.draw([], { ...shell, cols: 160, rows: 40, env: { ...shell.env, ...env } })
  await screen.waitFor(/^prompt> *$/m)
  let marks = 0
  const claudefPid = () => {
    const pid = findProcesses(`HOME=${setup.home.home}`).find((each) =>
      commandOf(each).includes('bin/claudef.js'),
    )
    if (pid === undefined) throw new Error('claudef does not run')
    return pid
  }
  /** A value that the shell prints, and no echo of what was typed. */
  const ask = async (command: string) => {
    marks += 1
    const answer = new RegExp(`^answer${marks}:(.*):end$`, 'm')
    await screen.submit(`${command} | sed 's/^/answer${marks}:/; s/$/:end/'`)
    return answer.exec(await screen.waitFor(answer))?.[1]
  }
  return {
    screen,
    claudefPid,
    ask,
    /** The command line of claudef. */
    command: `${process.execPath} ${claudef}`,
    /** The terminal's modes while the shell waits for a command: all three ask for pastes to be bracketed. */
    modes: async () => {
      await waitUntil(() => screen.modes().bracketedPasteMode)
      return screen.modes()
    },
    /** Brings claudef back to the foreground. */
    resume: async () => {
      await screen.submit('fg')
      await screen.waitFor('Claude Max')
      // Shells do not wait for lines themselves, but leave Ctrl+C and Ctrl+Z to the terminal.
      await waitUntil(() => screen.termios().includes('-isig'))
    },
    /** What programs find the terminal's attributes to be. */
    attributes: async () => /^\d+ \d+/.exec((await ask('stty -g | cksum')) ?? '')?.[0],
    /** Waits until claudef has stopped and the shell takes commands. */
    waitForStop: async () => {
      const pid = claudefPid()
      await waitUntil(() => readState(pid) === 'T')
      // The terminal's answer to a question of the child's may have come too late for it: the shell has got it. And
      // a child that was stopped from elsewhere has left its picture.
      await waitUntil(() => {
        screen.type('\x15\x0c')
        return /^prompt> *$/m.test(screen.text())
      })
      await ask('echo')
    },
  }
}
