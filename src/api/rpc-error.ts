import { ClientError, Status } from "nice-grpc-common";
import {
  BadRequest,
  ErrorInfo,
  LocalizedMessage,
  RetryInfo,
  RichClientError,
  RichServerError,
} from "nice-grpc-error-details";
import { catalogue, type ErrorCode } from "../errors/catalogue.ts";
import { GleanerError } from "../errors/gleaner-error.ts";

/** Of google.rpc.ErrorInfo, whose `reason` is the code of the catalogue. */
const domain = "gleaner";
const retryAfterS = 1;

/**
 * The status message says code, what is wrong and what to do, for whoever reads only that. The details carry the same for
 * machines: ErrorInfo (code and metadata), BadRequest (the field), RetryInfo (UNAVAILABLE), LocalizedMessage (the remedy).
 */
export function toRpcError(error: GleanerError): RichServerError {
  const metadata = Object.fromEntries(Object.entries(error.details).map(([key, value]) => [key, `${value}`]));
  const details: ConstructorParameters<typeof RichServerError>[2] = [
    ErrorInfo.fromPartial({ reason: error.code, domain, metadata }),
    LocalizedMessage.fromPartial({ locale: "en", message: `${error.message} ${error.remedy}` }),
  ];
  if (error.code === "INVALID_FIELD")
    details.push(
      BadRequest.fromPartial({
        fieldViolations: [{ field: error.field, description: `${error.details["problem"]}` }],
      }),
    );
  if (error.status === "UNAVAILABLE")
    details.push(RetryInfo.fromPartial({ retryDelay: { seconds: retryAfterS, nanos: 0 } }));
  return new RichServerError(
    Status[error.status],
    `${error.code}: ${error.message} ${error.remedy}`,
    details,
  );
}

/** Who was asked what, for the message. */
export interface Asked {
  readonly address: string;
  /** For instance `Submit`. */
  readonly method: string;
}

/**
 * What a client throws for what came over the wire: a GleanerError, or the caller's own AbortError as it is.
 * Statuses without our details come from the transport or from another server.
 */
export function fromRpcError(thrown: unknown, asked: Asked): unknown {
  if (isAbortError(thrown) || thrown instanceof GleanerError) return thrown;
  if (!(thrown instanceof ClientError)) return new GleanerError("INTERNAL", { problem: String(thrown) });
  const info =
    thrown instanceof RichClientError
      ? thrown.extra.find((detail) => detail.$type === "google.rpc.ErrorInfo")
      : undefined;
  if (info?.domain === domain && info.reason in catalogue)
    return new GleanerError(info.reason as ErrorCode, info.metadata, { cause: thrown });
  return new GleanerError(...transportError(thrown, asked), { cause: thrown });
}

function transportError(
  { code, details }: ClientError,
  { address, method }: Asked,
): [ErrorCode, Record<string, string>] {
  switch (code) {
    case Status.UNAVAILABLE:
    // The connection was torn down under the call; our own cancelling is an AbortError.
    case Status.CANCELLED:
      return ["CONTROLLER_UNREACHABLE", { address }];
    case Status.DEADLINE_EXCEEDED:
      return ["CALL_TIMED_OUT", { address, method }];
    default: {
      const sizes = /message larger than max \((\d+) vs\.? (\d+)\)/.exec(details);
      return sizes === null
        ? ["UNEXPECTED_ANSWER", { address, method, status: Status[code], problem: details }]
        : ["REQUEST_TOO_LARGE", { bytes: sizes[1]!, bytesMax: sizes[2]! }];
    }
  }
}

/** The caller left, or its deadline passed: what nice-grpc throws for an aborted signal. */
export function isAbortError(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "AbortError";
}
