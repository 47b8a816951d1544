/** @file Errors in OpenAI's JSON form. */

/** Fields of an error that clients read beside its message. */
export interface ApiErrorDetails {
  /** The field of the request that is at fault, such as "messages[0].role". */
  readonly param?: string;
  /** A name that programs can tell the error by, such as "context_length_exceeded". */
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 413 | 429 | 500 | 503;

/** A request that is answered with an error: an HTTP status and a sentence for the caller. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: ErrorStatus;
  readonly details: ApiErrorDetails;

  constructor(status: ErrorStatus, message: string, details: ApiErrorDetails = {}) {
    super(message);
    this.status = status;
    this.details = details;
  }

  /** The body of the response, as in OpenAI's API reference ("Error codes"). */
  toJSON(): object {
    const { param = null, code = null } = this.details;
    return { error: { message: this.message, type: typeOf(this.status), param, code } };
  }
}

function typeOf(status: ErrorStatus): string {
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}
