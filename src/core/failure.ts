/** @file Errors as messages to another process, thread or worker. */

import { InputError } from "./errors.ts";

/** An error, as far as it can be told. */
export interface Failure {
  readonly message: string;
  /** Whether it was an InputError. */
  readonly input: boolean;
}

export function toFailure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return { message, input: error instanceof InputError };
}

export function toError({ message, input }: Failure): Error {
  return input ? new InputError(message) : new Error(message);
}
