/** @file The one error class whose message is meant for the person at the keyboard, and what is told of others. */

/**
 * Input that cannot be used. The message is one sentence that says what is wrong, where it is (file, line,
 * tensor) and what to do. The command line prints it without a stack trace and exits with code 1.
 *
 * @example
 * try {
 *   await openModel("nowhere");
 * } catch (error) {
 *   if (error instanceof InputError) console.error(error.message); // There is no model at nowhere.
 * }
 */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** A model that cannot be used, whatever is asked of it. */
export class DamagedModelError extends InputError {}

/** Whether the error, or what caused it, is that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || (cause !== undefined && isDiskFull(cause));
}
