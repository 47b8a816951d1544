/** @file The one error class whose message is meant for the person at the keyboard. */

/**
 * Input that cannot be used. The message is one sentence that says what is wrong, where it is (file, line,
 * tensor) and what to do. The command line prints it without a stack trace and exits with code 1.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * try {
 *   await openModel("nowhere");
 * } catch (error) {
 *   if (error instanceof InputError) console.error(error.message); // There is no model at nowhere.
 * }
 */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** A device that failed as it computed: what it held is lost, and the same may be computed on another. */
export class DeviceError extends InputError {}

/** A model that cannot be used, whatever is asked of it. */
export class DamagedModelError extends InputError {}
