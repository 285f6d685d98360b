import { randomUUID } from "node:crypto";
import type { ServerMiddleware, TsProtoServiceDefinition } from "nice-grpc";
import type { StatusName } from "../errors/catalogue.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { addDetails, isAbortError, toRpcError } from "./rpc-error.ts";

/** What stands in the place of a request that could not be decoded, so that its sender can be told. */
class Undecodable {
  readonly problem: string;
  constructor(problem: string) {
    this.problem = problem;
  }
}

/** The same service, but a request that cannot be decoded is answered with INVALID_FIELD instead of a bare INTERNAL. */
export function tellUndecodable<Definition extends TsProtoServiceDefinition>(
  definition: Definition,
): Definition {
  const methods = Object.entries(definition.methods).map(([key, method]) => {
    if (method.requestStream) return [key, method];
    const { requestType } = method;
    const decode = (bytes: Uint8Array): unknown => {
      try {
        return requestType.decode(bytes);
      } catch (thrown) {
        return new Undecodable(thrown instanceof Error ? thrown.message : String(thrown));
      }
    };
    return [key, { ...method, requestType: { ...requestType, decode } }];
  });
  return { ...definition, methods: Object.fromEntries(methods) };
}

/** Turns whatever a handler throws into a status with details; a defect is logged with its stack and told by reference. */
export function answerErrors(logger: Logger, metrics?: Metrics): ServerMiddleware {
  return async function* answer(call, context) {
    const method = call.method.path.slice(call.method.path.lastIndexOf("/") + 1);
    let status: "OK" | "CANCELLED" | StatusName = "OK";
    try {
      if (!call.requestStream && call.request instanceof Undecodable)
        throw new GleanerError("INVALID_FIELD", {
          field: "(request)",
          problem: `not a message of this method: ${call.request.problem}`,
        });
      return yield* call.next(call.request, context);
    } catch (thrown) {
      if (isAbortError(thrown)) {
        status = "CANCELLED";
        throw thrown;
      }
      const error = tellable(thrown, method, logger);
      status = error.status;
      addDetails(context.trailer, error);
      throw toRpcError(error);
    } finally {
      metrics?.rpcs.inc({ method, status });
    }
  };
}

function tellable(thrown: unknown, method: string, logger: Logger): GleanerError {
  if (thrown instanceof GleanerError && thrown.code !== "INTERNAL") return thrown;
  const reference = randomUUID().slice(0, 8);
  logger.error({ err: thrown, method, reference }, "a call failed by a defect");
  return new GleanerError("INTERNAL", { problem: `${method} failed; the log has it as ${reference}.` });
}
