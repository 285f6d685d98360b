import { detectRuntime } from "../../src/agent/runtime/detect.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { pidsOf } from "./oracle.ts";
import type { Cut } from "./parts/relay.ts";
import { type FaultProcess, signalIfThere } from "./parts/process.ts";
import { SmallDisk } from "./parts/small-disk.ts";
import type { FaultStack, Roles, StackNeeds } from "./parts/stack.ts";
import { noWallClock } from "./parts/wall-clock.ts";

/** One fault: how it strikes a stack, how long it lasts, and how what was taken is given back. */
export interface Row {
  readonly name: string;
  readonly needs: StackNeeds;
  readonly lastsMs: number;
  /** Each round has a stack of its own: what strikes twice in a row is something else. */
  readonly afresh?: boolean;
  /** Done before the leases are brought into their states. */
  aim?(stack: FaultStack): Promise<void>;
  /** `guests`: those under way. */
  strike(stack: FaultStack, guests: readonly string[]): Promise<void> | void;
  heal(stack: FaultStack, guests: readonly string[]): Promise<void> | void;
  /** Why it cannot be shown on this machine; null: it can. */
  skipped(probeDir: string): string | null;
}

type Part = "controller" | "agent" | "redis";

const always = () => null;
/** As long as a supervisor takes to notice and wait. */
const downMs = 500;
const stopMs = 2_000;
const cutMs = 2_300;
const fullMs = 2_000;
const jumpMs = 2_200;
/** Longer than the lock on the lead: the standby takes over. */
const takeOverMs = 4_500;
const jumpS = 10;

const killed = {
  strike: (struck: FaultProcess) => struck.kill(),
  heal: (struck: FaultProcess) => struck.start(),
};
const stopped = {
  strike: async (struck: FaultProcess) => struck.signal("SIGSTOP"),
  heal: async (struck: FaultProcess) => struck.signal("SIGCONT"),
};

export const rows: readonly Row[] = [
  kill("kill -9 controller", "controller"),
  strikeRole("kill -9 leader", "leader", killed, takeOverMs),
  strikeRole("SIGSTOP leader", "leader", stopped, takeOverMs),
  strikeRole("kill -9 standby", "standby", killed, downMs),
  killKept(),
  killKeeper(),
  stopKeeper(),
  kill("kill -9 redis (everysec)", "redis", { appendfsync: "everysec" }),
  kill("kill -9 redis (always)", "redis", { appendfsync: "always" }),
  restartRedis(),
  signalGuests("kill -9 guest", "SIGKILL", null),
  stop("controller"),
  stop("agent"),
  stop("redis"),
  stop("redis", 4_000),
  signalGuests("SIGSTOP guest", "SIGSTOP", "SIGCONT"),
  cutRow("agent ⇹ controller", "agentWire", "both"),
  cutRow("agent ↛ controller", "agentWire", "up"),
  cutRow("agent ↚ controller", "agentWire", "down"),
  cutRow("agent, controller: resets", "agentWire", "reset"),
  cutRow("controller ⇹ redis", "redisWire", "both"),
  cutRow("controller ↛ redis", "redisWire", "up"),
  cutRow("controller ↚ redis", "redisWire", "down"),
  cutRow("controller, redis: resets", "redisWire", "reset"),
  fullDisk("agent"),
  fullDisk("controller"),
  fullDisk("redis"),
  jump("controller", jumpS),
  jump("controller", -jumpS),
  jump("agent", jumpS),
  jump("agent", -jumpS),
];

function kill(name: string, part: Part, needs: StackNeeds = {}): Row {
  return {
    name,
    needs,
    lastsMs: downMs,
    strike: (stack) => stack[part].kill(),
    heal: (stack) => stack[part].start(),
    skipped: always,
  };
}

/** Of two controllers, the one that leads or stands by just then. */
function strikeRole(
  name: string,
  role: keyof Roles,
  {
    strike,
    heal,
  }: { strike: (struck: FaultProcess) => Promise<void>; heal: (struck: FaultProcess) => Promise<void> },
  lastsMs: number,
): Row {
  const struck = new WeakMap<FaultStack, FaultProcess>();
  return {
    name,
    needs: { standby: true },
    lastsMs,
    aim: async (stack) => void struck.set(stack, (await stack.roles())[role]),
    strike: (stack) => strike(struck.get(stack)!),
    heal: (stack) => heal(struck.get(stack)!),
    skipped: always,
  };
}

/** Its keeper starts it again at once, and later each time that it does not last. */
function killKept(): Row {
  let before = 0;
  return {
    name: "kill -9 agent",
    needs: {},
    lastsMs: downMs,
    afresh: true,
    strike: ({ agent }) => {
      before = agent.readied;
      agent.signal("SIGKILL");
    },
    heal: ({ agent }) => agent.keptAgain(before),
    skipped: always,
  };
}

/** The agent goes on without; a supervisor starts another, which finds it. */
function killKeeper(): Row {
  return {
    name: "kill -9 keeper",
    needs: {},
    lastsMs: downMs,
    afresh: true,
    strike: ({ agent }) => agent.kill(),
    heal: ({ agent }) => agent.startKeeper(),
    skipped: always,
  };
}

function stopKeeper(): Row {
  return {
    name: `SIGSTOP keeper ${stopMs / 1_000} s`,
    needs: {},
    lastsMs: stopMs,
    strike: ({ agent }) => agent.signalKeeper("SIGSTOP"),
    heal: ({ agent }) => agent.signalKeeper("SIGCONT"),
    skipped: always,
  };
}

function restartRedis(): Row {
  return {
    name: "restart redis",
    needs: {},
    lastsMs: downMs,
    strike: ({ redis }) => redis.stop(),
    heal: ({ redis }) => redis.start(),
    skipped: always,
  };
}

function stop(part: Part, lastsMs = stopMs): Row {
  return {
    name: `SIGSTOP ${part} ${lastsMs / 1_000} s`,
    needs: {},
    lastsMs,
    strike: (stack) => stack[part].signal("SIGSTOP"),
    heal: (stack) => stack[part].signal("SIGCONT"),
    skipped: always,
  };
}

function signalGuests(name: string, strike: NodeJS.Signals, heal: NodeJS.Signals | null): Row {
  const send = ({ oracle }: FaultStack, guests: readonly string[], signal: NodeJS.Signals) => {
    oracle.read();
    for (const pid of guests.flatMap((guest) => pidsOf(oracle.of(guest)))) signalIfThere(pid, signal);
  };
  return {
    name,
    needs: {},
    lastsMs: heal === null ? 0 : stopMs,
    strike: (stack, guests) => send(stack, guests, strike),
    heal: (stack, guests) => (heal === null ? undefined : send(stack, guests, heal)),
    skipped: heal === null ? always : noFreezer,
  };
}

/** Without cgroups the agent stops guests by SIGSTOP itself, and whoever sends SIGCONT lets them go on. */
function noFreezer(): string | null {
  const logger = createLogger({ name: "faults", level: "fatal" });
  const runtime = detectRuntime("auto", "gleaner-faults-probe", logger);
  runtime.release();
  return runtime.kind === "process-tree" ? "no cgroup is ours to make: guests are stopped by SIGSTOP" : null;
}

function cutRow(name: string, wire: "agentWire" | "redisWire", cut: Cut): Row {
  return {
    name,
    needs: {},
    lastsMs: cutMs,
    strike: (stack) => stack[wire].cut(cut),
    heal: (stack) => stack[wire].cut("none"),
    skipped: always,
  };
}

function fullDisk(part: Part): Row {
  return {
    name: `disk full: ${part}`,
    needs: { smallDisk: part },
    lastsMs: fullMs,
    strike: ({ disk }) => disk?.fill(),
    heal: ({ disk }) => disk?.free(),
    skipped: (probeDir) => SmallDisk.refusal(probeDir),
  };
}

function jump(part: "agent" | "controller", offsetS: number): Row {
  return {
    name: `clock ${offsetS > 0 ? "+" : "−"}${Math.abs(offsetS)} s: ${part}`,
    needs: { wallClock: part },
    lastsMs: jumpMs,
    strike: ({ wallClock }) => wallClock?.jump(offsetS),
    heal: ({ wallClock }) => wallClock?.jump(0),
    skipped: () => noWallClock(),
  };
}
