import { ClientError, type Metadata, ServerError, Status } from "nice-grpc-common";
import { catalogue, type ErrorCode } from "../errors/catalogue.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Any } from "../gen/google/protobuf/any.ts";
import { BadRequest, ErrorInfo, RetryInfo } from "../gen/google/rpc/error_details.ts";
import { Status as RpcStatus } from "../gen/google/rpc/status.ts";

/** Of google.rpc.ErrorInfo, whose `reason` is the code of the catalogue. */
const domain = "gleaner";
const retryAfterS = 1;
const detailsTrailer = "grpc-status-details-bin";

/** The status message says code, what is wrong and what to do, for whoever reads only that. */
export function toRpcError(error: GleanerError): ServerError {
  return new ServerError(Status[error.status], error.toString());
}

/**
 * The same for machines, in the trailer grpc-status-details-bin: ErrorInfo (the code; the values of the message; the remedy),
 * BadRequest (the field at fault), RetryInfo (with UNAVAILABLE).
 */
export function addDetails(trailer: Metadata, error: GleanerError): void {
  const metadata = { ...stringValues(error.details), remedy: error.remedy };
  const details = [packed("ErrorInfo", ErrorInfo.encode({ reason: error.code, domain, metadata }).finish())];
  if (error.field !== "") {
    const description = `${error.details["problem"] ?? error.message}`;
    const fieldViolations = [{ field: error.field, description }];
    details.push(packed("BadRequest", BadRequest.encode({ fieldViolations }).finish()));
  }
  if (error.status === "UNAVAILABLE")
    details.push(
      packed("RetryInfo", RetryInfo.encode({ retryDelay: { seconds: retryAfterS, nanos: 0 } }).finish()),
    );
  // Whoever stands by does so for longer than a client's library would try.
  if (error.code === "NOT_LEADER") trailer.set("grpc-retry-pushback-ms", "-1");
  const { code, details: message } = toRpcError(error);
  trailer.set(detailsTrailer, RpcStatus.encode({ code, message, details }).finish());
}

function packed(name: string, value: Uint8Array): Any {
  return { typeUrl: `type.googleapis.com/google.rpc.${name}`, value };
}

function stringValues(details: GleanerError["details"]): Record<string, string> {
  return Object.fromEntries(Object.entries(details).map(([key, value]) => [key, `${value}`]));
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
export function fromRpcError(thrown: unknown, trailer: Metadata, asked: Asked): unknown {
  if (isAbortError(thrown) || thrown instanceof GleanerError) return thrown;
  if (!(thrown instanceof ClientError))
    return new GleanerError("INTERNAL", { problem: String(thrown) }, { cause: thrown });
  const info = errorInfo(trailer);
  if (info?.domain !== domain || !(info.reason in catalogue))
    return new GleanerError(...transportError(thrown, asked), { cause: thrown });
  const { remedy: _, ...details } = info.metadata;
  return new GleanerError(info.reason as ErrorCode, details, { cause: thrown });
}

function errorInfo(trailer: Metadata): ErrorInfo | null {
  const bytes = trailer.get(detailsTrailer);
  if (!(bytes instanceof Uint8Array)) return null;
  const detail = RpcStatus.decode(bytes).details.find(({ typeUrl }) =>
    typeUrl.endsWith("/google.rpc.ErrorInfo"),
  );
  return detail === undefined ? null : ErrorInfo.decode(detail.value);
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
