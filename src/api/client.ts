import { Channel, ChannelCredentials } from "@grpc/grpc-js";
import { createClientFactory, Metadata, type ClientMiddleware } from "nice-grpc";
import { GleanerError } from "../errors/gleaner-error.ts";
import { AgentServiceDefinition, type AgentServiceClient } from "../gen/gleaner/v1/agents.ts";
import { GuestServiceDefinition, type GuestServiceClient } from "../gen/gleaner/v1/guests.ts";
import { OwnerServiceDefinition, type OwnerServiceClient } from "../gen/gleaner/v1/owners.ts";
import { ReportServiceDefinition, type ReportServiceClient } from "../gen/gleaner/v1/reports.ts";
import { HealthDefinition, type HealthClient } from "../gen/grpc/health/v1/health.ts";
import { Routing } from "./routing.ts";
import { fromRpcError, isAbortError } from "./rpc-error.ts";

export interface Clients {
  readonly guests: GuestServiceClient;
  readonly owners: OwnerServiceClient;
  readonly reports: ReportServiceClient;
  readonly agents: AgentServiceClient;
  readonly health: HealthClient;
  close(): void;
}

export interface ClientOptions {
  /** After this long a unary call fails with CALL_TIMED_OUT. Streams have no end of their own. */
  readonly callMsMax?: number;
}

/** Calls that may be sent twice: a second one finds what the first has done. Submit is not one of them: its key may be empty. */
const idempotentMethods = [
  { service: GuestServiceDefinition, methods: ["Get", "List", "Cancel", "Explain"] },
  {
    service: OwnerServiceDefinition,
    methods: ["Recall", "Busy", "Idle", "Hold", "ListHolds", "SetPolicy", "ListPolicies"],
  },
  { service: ReportServiceDefinition, methods: ["GetReport", "ListDecisions"] },
];

const retries = {
  "grpc.service_config": JSON.stringify({
    methodConfig: [
      {
        name: idempotentMethods.flatMap(({ service, methods }) =>
          methods.map((method) => ({ service: service.fullName, method })),
        ),
        retryPolicy: {
          maxAttempts: 5,
          initialBackoff: "0.1s",
          maxBackoff: "1s",
          backoffMultiplier: 2,
          retryableStatusCodes: ["UNAVAILABLE"],
        },
      },
    ],
  }),
};

const channelOptions = {
  "grpc.service_config_disable_resolution": 1,
  // A proxy for the web is no way to a controller.
  "grpc.enable_http_proxy": 0,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 5_000,
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  // A page of large guests or the books of a large fleet.
  "grpc.max_receive_message_length": 256 * 1024 * 1024,
};

/** Of several controllers, one that was away is not to be missed when it is the last one left. */
const soonAgain = { "grpc.max_reconnect_backoff_ms": 250 };

/**
 * Clients of the controller (or of an agent's Recall) at HOST:PORT or unix:/path, or of several controllers; they connect on
 * the first call. Every failure is a GleanerError, or the AbortError of the caller's own signal. Calls go to the controller
 * that leads, wherever it was asked for; those that may be repeated are, for about a second of one that does not answer, and
 * for at most 10 s over several. A Recall goes to whichever answers first.
 */
export function connectClients(addresses: string | readonly string[], options: ClientOptions = {}): Clients {
  const [first = "", ...others] = typeof addresses === "string" ? [addresses] : addresses;
  const isOne = others.length === 0;
  const more = isOne ? retries : soonAgain;
  return new Routing([first, ...others], (address) => connectOne(address, options, more)).clients;
}

function connectOne(
  address: string,
  { callMsMax = 30_000 }: ClientOptions,
  more: Readonly<Record<string, string | number>>,
): Clients {
  const options = { ...channelOptions, ...more };
  const channel = new Channel(address, ChannelCredentials.createInsecure(), options);
  const factory = createClientFactory().use(throwGleanerErrors(address, callMsMax));
  return {
    guests: factory.create(GuestServiceDefinition, channel),
    owners: factory.create(OwnerServiceDefinition, channel),
    reports: factory.create(ReportServiceDefinition, channel),
    agents: factory.create(AgentServiceDefinition, channel),
    health: factory.create(HealthDefinition, channel),
    close: () => channel.close(),
  };
}

function throwGleanerErrors(address: string, callMsMax: number): ClientMiddleware {
  return async function* translate(call, options) {
    const method = call.method.path.slice(call.method.path.lastIndexOf("/") + 1);
    const unary = !call.requestStream && !call.responseStream;
    const deadline = unary ? new Deadline(callMsMax, options.signal) : null;
    let trailer = Metadata();
    const onTrailer = (received: Metadata) => {
      trailer = received;
      options.onTrailer?.(received);
    };
    try {
      const signal = deadline?.signal ?? options.signal;
      return yield* call.next(call.request, { ...options, onTrailer, ...(signal && { signal }) });
    } catch (thrown) {
      if (deadline?.passed === true && isAbortError(thrown))
        throw new GleanerError("CALL_TIMED_OUT", { address, method }, { cause: thrown });
      throw fromRpcError(thrown, trailer, { address, method });
    } finally {
      deadline?.end();
    }
  };
}

/** Cheaper than AbortSignal.any with a timeout, on a path that benches and submitters take thousands of times a second. */
class Deadline {
  passed = false;
  readonly #abort = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #leave = () => this.#abort.abort();

  constructor(ms: number, caller: AbortSignal | undefined) {
    this.#caller = caller;
    caller?.addEventListener("abort", this.#leave, { once: true });
    if (caller?.aborted === true) this.#leave();
    this.#timer = setTimeout(() => {
      this.passed = true;
      this.#leave();
    }, ms);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#leave);
  }
}
