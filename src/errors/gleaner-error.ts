import { catalogue, type ErrorCode, type StatusName } from "./catalogue.ts";

export type ErrorDetails = Readonly<Record<string, string | number>>;

/** The one error class that reaches a person: everything else is a defect. */
export class GleanerError extends Error {
  override readonly name = "GleanerError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(fill(catalogue[code].message, details), options);
    this.code = code;
    this.details = details;
  }

  get status(): StatusName {
    return catalogue[this.code].status;
  }

  /** What to do about it. */
  get remedy(): string {
    return fill(catalogue[this.code].remedy, this.details);
  }

  /** All of it in one line: `CODE: what is wrong. What to do.` */
  override toString(): string {
    const stop = /[.!?]$/.test(this.message) ? "" : ".";
    return `${this.code}: ${this.message}${stop} ${this.remedy}`;
  }

  /** The field at fault, where there is one. */
  get field(): string {
    return String(this.details["field"] ?? "");
  }
}

function fill(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(details[name] ?? ""));
}

/** Wraps anything thrown: a GleanerError stays as it is, the rest is a defect with its cause kept. */
export function asGleanerError(thrown: unknown): GleanerError {
  if (thrown instanceof GleanerError) return thrown;
  const problem = thrown instanceof Error ? thrown.message : String(thrown);
  return new GleanerError("INTERNAL", { problem }, { cause: thrown });
}
