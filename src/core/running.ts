/** Follows which tools and background tasks of the main conversation run, row by row. */
export type Running = { tools: Map<string, string>; tasks: Map<string, { command: string; kind: string }> }
export const RUNNING_MARKERS: readonly string[] = []
export function createRunning(): Running {
  return { tools: new Map(), tasks: new Map() }
}
export function readRunning(_running: Running, _row: unknown): void {}
export function promptForTasks(_running: Running): string {
  return ''
}
