import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import {
  createServer,
  type Server,
  type ServiceImplementation,
  type TsProtoServiceDefinition,
} from "nice-grpc";
import type { Settings } from "../config/settings.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { HealthDefinition } from "../gen/grpc/health/v1/health.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { OpenStreams } from "./open-streams.ts";
import { addReflection } from "./reflection.ts";
import { assertSafeListen } from "./safe-listen.ts";
import { answerErrors, tellUndecodable } from "./server-middleware.ts";
import { healthService } from "./services/health-service.ts";

export interface ListenOptions {
  /** HOST:PORT (port 0: any free one), [IPV6]:PORT or unix:/path. */
  readonly listen: string;
  readonly settings: Pick<Settings, "api">;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** For health checks; default: always. */
  readonly serving?: () => boolean;
}

export interface RunningServer {
  /** As clients are to be told it, with the real port. */
  readonly address: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Watchers and agents are told why and sent away at once; other calls have this long to end before they are cut off. */
  close(graceMs: number, why?: GleanerError): Promise<void>;
}

/** Streams that end when the server stops: those of readers, which are bounded, and those of agents. */
export interface Streams {
  readonly watchers: OpenStreams;
  readonly sessions: OpenStreams;
}

/** Agents' streams at once, a host's old one beside its new one for a moment. */
const agentsMax = 20_000;

/**
 * A gRPC server with health and reflection around the services that `add` gives it.
 * Throws INSECURE_LISTEN or LISTEN_FAILED.
 */
export async function listenWith(
  options: ListenOptions,
  services: readonly string[],
  add: (server: Server, streams: Streams) => void,
): Promise<RunningServer> {
  const { listen, settings, logger, metrics, serving = () => true } = options;
  await assertSafeListen(listen);
  const server = createServer({
    "grpc.max_receive_message_length": settings.api.messageBytesMax,
    "grpc.max_concurrent_streams": 2_000,
    // A peer that vanished is noticed, so that its streams do not stay open.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
  }).use(answerErrors(logger, metrics));
  const streams = {
    watchers: new OpenStreams(settings.api.watchersMax, settings.api.watchStalledMsMax),
    sessions: new OpenStreams(agentsMax, Infinity, "TOO_MANY_AGENTS"),
  };
  let stopping = false;

  add(server, streams);
  const described = [...services, HealthDefinition.fullName];
  const health = healthService(described, () => !stopping && serving(), streams.watchers);
  addService(server, HealthDefinition, health);
  addReflection(server, described);

  const port = await bind(server, listen);
  const address = listen.startsWith("unix:") ? listen : listen.replace(/\d+$/, `${port}`);
  return {
    address,
    port: listen.startsWith("unix:") ? 0 : port,
    async close(graceMs, why = new GleanerError("SERVER_STOPPING")) {
      stopping = true;
      streams.watchers.stop(why);
      streams.sessions.stop(why);
      const cutOff = new AbortController();
      const grace = systemClock.sleep(graceMs, cutOff.signal).then(() => {
        if (!cutOff.signal.aborted) server.forceShutdown();
      });
      await Promise.race([server.shutdown(), grace]);
      cutOff.abort();
    },
  };
}

/** The generated interface of a service and nice-grpc's own view of it are the same but for exactOptionalPropertyTypes. */
export function addService(
  server: Server,
  definition: TsProtoServiceDefinition,
  implementation: object,
): void {
  server.add(tellUndecodable(definition), implementation as ServiceImplementation<TsProtoServiceDefinition>);
}

async function bind(server: Server, address: string): Promise<number> {
  // What it would print on stderr is in the error that it throws.
  setLogVerbosity(logVerbosity.NONE);
  try {
    return await server.listen(address);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const problem = /errors: \[listen (.*)\]$/.exec(message)?.[1] ?? message;
    throw new GleanerError("LISTEN_FAILED", { address, problem }, { cause });
  }
}
