/** @file What a user should know although the work goes on. */

const given = new Set<string>();

/** The type of our warnings among Node's. */
export const warningType = "SlimtuneWarning";

/**
 * Warns once of each thing: as Node does, on standard error and to programs by the process' event "warning", or on a browser's
 * console.
 *
 * @param message one sentence, as an error's
 */
export function warn(message: string): void {
  if (given.has(message)) return;
  given.add(message);
  const { process } = globalThis as { process?: { emitWarning?(message: string, type: string): void } };
  if (process?.emitWarning) process.emitWarning(message, warningType);
  else console.warn(message);
}
