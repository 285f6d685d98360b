import { GleanerError } from "../../errors/gleaner-error.ts";
import {
  HealthCheckResponse_ServingStatus as ServingStatus,
  type HealthServiceImplementation,
} from "../../gen/grpc/health/v1/health.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { OpenStreams } from "../open-streams.ts";

const watchIntervalMs = 500;

/** `serving` is asked each time; all services of a server stand and fall together. */
export function healthService(
  services: readonly string[],
  serving: () => boolean,
  watchers: OpenStreams,
): HealthServiceImplementation {
  const known = new Set(["", ...services]);
  const status = () => (serving() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);

  async function* changes(service: string, signal: AbortSignal) {
    let last: ServingStatus | null = null;
    while (!signal.aborted) {
      const now = known.has(service) ? status() : ServingStatus.SERVICE_UNKNOWN;
      if (now !== last) yield { status: now };
      last = now;
      await systemClock.sleep(watchIntervalMs, signal);
    }
  }

  return {
    check({ service }) {
      if (!known.has(service)) throw new GleanerError("SERVICE_NOT_FOUND", { service });
      return Promise.resolve({ status: status() });
    },
    watch: ({ service }, { signal }) => watchers.serve(signal, (open) => changes(service, open)),
  };
}
