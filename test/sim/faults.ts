import type { LeaseState } from "../../src/core/lease.ts";
import type { Random } from "./world/random.ts";

/** Ms of the world from the moment at which a fault strikes. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What goes wrong, when, and for how long. Ms of the world. */
export type Fault = {
  readonly atMs: number;
  readonly lastsMs: number;
  /** It waits, from `atMs` on, for a lease that enters this state where it can hurt; null: it waits for nothing. */
  readonly onEntering: LeaseState | null;
  /** Behind that moment. */
  readonly behindMs: number;
} & (
  | { readonly kind: "kill" | "stop"; readonly process: string }
  | { readonly kind: "reboot"; readonly host: string }
  | { readonly kind: "cut"; readonly from: string; readonly to: string }
  /** From all controllers; each way in its own time. */
  | { readonly kind: "isolate"; readonly host: string; readonly out: Span; readonly back: Span }
  | { readonly kind: "jump"; readonly host: string; readonly byMs: number }
  | { readonly kind: "drift"; readonly host: string; readonly rate: number }
  | { readonly kind: "disk_full"; readonly host: string }
  | {
      readonly kind:
        | "redis_slow"
        | "redis_read_only"
        | "redis_disk_full"
        | "redis_older"
        | "connections_break";
    }
);

export type FaultKind = Fault["kind"];

const longestMs = 10_000;

/** Some last no longer than a ms: by chance, a fault would hardly ever meet one. */
const metStates = [
  "starting",
  "starting",
  "paused",
  "vacating",
  "killing",
  "killing",
  "quarantined",
  "quarantined",
] as const;

/** Its name, by its host's. */
export function keeperOf(host: string): string {
  return host.replace("host", "keeper");
}

export function drawFaults(
  random: Random,
  controllers: readonly string[],
  hosts: readonly string[],
): Fault[] {
  const count = random.pick([0, 1, 1, 2, 3, 5]);
  return Array.from({ length: count }, () => drawFault(random, controllers, hosts)).toSorted(
    (a, b) => a.atMs - b.atMs,
  );
}

function drawFault(random: Random, controllers: readonly string[], hosts: readonly string[]): Fault {
  const when = {
    atMs: random.between(1_000, 38_000),
    lastsMs: Math.min(random.exponential(3_000), longestMs),
    onEntering: random.chance(0.5) ? random.pick(metStates) : null,
    behindMs: random.pick([0, random.exponential(3), random.exponential(100)]),
  };
  const keepers = hosts.map(keeperOf);
  const processes = [...controllers, ...hosts, "redis"];
  const kind = random.pick<FaultKind>([
    "kill",
    "kill",
    "kill",
    "stop",
    "stop",
    "reboot",
    "cut",
    "cut",
    "isolate",
    "isolate",
    "jump",
    "drift",
    "disk_full",
    "redis_slow",
    "redis_read_only",
    "redis_disk_full",
    "redis_older",
    "connections_break",
  ]);
  switch (kind) {
    case "kill":
    case "stop":
      return { ...when, kind, process: random.pick([...processes, random.pick(keepers)]) };
    case "reboot":
    case "disk_full":
      return { ...when, kind, host: random.pick(hosts) };
    case "isolate": {
      const span = () => ({ fromMs: 0, toMs: random.between(0, longestMs) });
      const [out, back] = [span(), span()];
      return { ...when, lastsMs: Math.max(out.toMs, back.toMs), kind, host: random.pick(hosts), out, back };
    }
    case "cut": {
      const [one, other] = random.pick([
        [random.pick(controllers), random.pick(hosts)],
        [random.pick(controllers), "redis"],
      ] as const);
      return random.chance(0.5)
        ? { ...when, kind, from: one, to: other }
        : { ...when, kind, from: other, to: one };
    }
    case "jump":
      return {
        ...when,
        kind,
        host: random.pick(processes),
        byMs: random.pick([-10_000, -1_000, 1_000, 10_000]),
      };
    case "drift":
      return { ...when, kind, host: random.pick(processes), rate: random.pick([0.98, 1.02]) };
    case "redis_slow":
    case "redis_read_only":
    case "redis_disk_full":
    case "redis_older":
    case "connections_break":
      return { ...when, kind };
  }
}
