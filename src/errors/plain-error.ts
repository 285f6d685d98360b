import type { ErrorCode } from "./catalogue.ts";
import { GleanerError, type ErrorDetails } from "./gleaner-error.ts";

/** An error as plain data, for another thread: a GleanerError is one again there, with its code and cause. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Of a GleanerError; else null. */
  readonly gleaner: { readonly code: ErrorCode; readonly details: ErrorDetails } | null;
  readonly cause: PlainError | null;
}

export function toPlainError(thrown: unknown): PlainError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, stack = "", cause } = error;
  return {
    name,
    message,
    stack,
    gleaner: error instanceof GleanerError ? { code: error.code, details: error.details } : null,
    cause: cause === undefined ? null : toPlainError(cause),
  };
}

export function fromPlainError({ name, message, stack, gleaner, cause }: PlainError): Error {
  const options = cause === null ? {} : { cause: fromPlainError(cause) };
  const error =
    gleaner === null
      ? Object.assign(new Error(message, options), { name })
      : new GleanerError(gleaner.code, gleaner.details, options);
  error.stack = stack;
  return error;
}
