import { mkdirSync } from "node:fs";
import { createRecallServer } from "../api/server.ts";
import type { Settings } from "../config/settings.ts";
import { lockDir } from "../runtime/dir-lock.ts";
import type { Logger } from "../runtime/log.ts";
import type { TelemetrySource } from "../telemetry/source.ts";
import { systemMachine } from "./machine.ts";
import { NodeAgent } from "./node-agent.ts";
import type { RuntimeKind } from "./runtime/process-group.ts";

export interface AgentOptions {
  /** Stays the same over restarts. */
  readonly agentId: string;
  readonly host: string;
  /** The agent's own; no other agent may use it. */
  readonly dataDir: string;
  /** Of guests' checkpoints. Shared between hosts, guests find them wherever they go. Default: in `dataDir`. */
  readonly checkpointsDir?: string;
  /** HOST:PORT; of several, whichever leads is worked for, and each may take devices back. */
  readonly controllerAddress: string | readonly string[];
  /** Where owners can recall from the agent itself; null: nowhere. */
  readonly recallListen: string | null;
  readonly source: TelemetrySource;
  readonly settings: Settings;
  readonly runtime?: RuntimeKind | "auto";
  /** Of which guests see PATH, HOME and LANG. Default: a plain PATH. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** Interrupts the start; once that is through, `stop` ends the agent. */
  readonly signal?: AbortSignal;
}

export interface RunningAgent {
  /** null: it serves none. */
  readonly recallAddress: string | null;
  /** The agent leaves and its guests go on, to be adopted by the next one; or they are vacated first. */
  stop(how?: { readonly vacate?: boolean }): Promise<void>;
  /** What it holds in memory, for a person who looks for a fault. */
  debugDump(): object;
}

/** Calls that are still answered when the agent leaves have this long to end. */
const graceMs = 100;

/**
 * Runs the node's side until `stop`. Guests of an earlier agent are taken up first.
 * Throws AGENT_DIR_IN_USE, AGENT_STATE_UNREADABLE, RUNTIME_UNAVAILABLE, INSECURE_LISTEN or LISTEN_FAILED.
 */
export async function runAgent(options: AgentOptions): Promise<RunningAgent> {
  const { dataDir, recallListen: listen, settings, logger, signal } = options;
  mkdirSync(dataDir, { recursive: true });
  await using undo = new AsyncDisposableStack();
  const lock = await lockDir(dataDir, "agent");
  undo.defer(() => lock.release());
  const agent = new NodeAgent(options, systemMachine());
  undo.defer(() => agent.close());
  await agent.adopt();
  const server =
    listen === null ? null : await createRecallServer({ desk: agent.desk, listen, settings, logger });
  undo.defer(async () => server?.close(graceMs));
  signal?.throwIfAborted();
  agent.run(server?.address ?? "");
  const leave = undo.move();
  return {
    recallAddress: server?.address ?? null,
    debugDump: () => agent.debugDump(),
    async stop({ vacate = false } = {}) {
      if (vacate) await agent.vacateAll();
      await leave.disposeAsync();
    },
  };
}
