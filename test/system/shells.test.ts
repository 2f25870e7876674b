import { describe } from 'vitest'
import { testJobControl } from '../support/job-control.ts'
import { fish, zsh } from '../support/shell.ts'

describe('in zsh', () => testJobControl(zsh))

describe('in fish', () => testJobControl(fish))
