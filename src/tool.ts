/**
 * The environment for the small tools that claudef runs on the terminal (`stty`, `ps`): the user's own may hold a key,
 * which is none of their business.
 */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C' }
}
