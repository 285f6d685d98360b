import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "../config/settings.ts";
import { keeperCommand } from "../keeper/keeper-command.ts";
import { createLogger, type LogLevel } from "../runtime/log.ts";
import { startRedisServer, type RedisServer } from "../store/redis-server.ts";
import { LocalControllers, placeControllers, type ControllerPlace } from "./local-controllers.ts";
import { SupervisedChild } from "./supervisor.ts";

export interface AgentPlan {
  readonly host: string;
  /** `--telemetry …` and what belongs to it. */
  readonly telemetryWords: readonly string[];
}

export interface LocalStackOptions {
  /** With `dataDir`; an empty `redisUrl` means a private Redis. */
  readonly settings: Settings;
  readonly controllers: number;
  readonly agents: readonly AgentPlan[];
  readonly logLevel: LogLevel;
  /** One line for a person: what started, what was restarted. */
  readonly say: (line: string) => void;
  /** Aborted while it starts: what has started is stopped again. */
  readonly signal: AbortSignal;
}

export interface LocalStack {
  /** Of all controllers, with commas between. */
  readonly apiAddress: string;
  /** At least one. */
  readonly controllers: readonly [ControllerPlace, ...ControllerPlace[]];
  /** By host. */
  readonly recallAddresses: ReadonlyMap<string, string>;
  readonly logDir: string;
  /** Where Redis answers, in a person's words. */
  readonly redis: string;
  /** The name of the controller that leads, as far as is known. */
  leader(): string | null;
  /** Process ids by name, as they are now. */
  pids(): Record<string, number | null>;
  /** Vacates the guests with their agents, then ends the controllers, then Redis. */
  stop(): Promise<unknown>;
}

const agentPatienceMs = 30_000;
/** The keeper ends an agent that hangs, and its guests, before we would end the keeper. */
const keeperHeadStartMs = 5_000;

/**
 * All of Gleaner on this machine: Redis, controllers and agents, each a process of its own, supervised. null: the signal
 * aborted meanwhile.
 */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack | null> {
  const { settings: asked, say, logLevel, signal } = options;
  const { dataDir } = asked;
  const logDir = join(dataDir, "logs");
  mkdirSync(logDir, { recursive: true, mode: 0o700 });

  const agents: SupervisedChild[] = [];
  let controllers: LocalControllers | null = null;
  let redis: RedisServer | null = null;
  const stop = async () => {
    await Promise.all(agents.map((agent) => agent.stop(agentPatienceMs)));
    await controllers?.stop();
    await redis?.stop();
    return null;
  };

  try {
    if (asked.redisUrl === "")
      redis = await startRedisServer({
        dir: join(dataDir, "redis"),
        logger: createLogger({ name: "redis", level: "warn" }),
      });
    const places = await placeControllers(asked, options.controllers);
    const { apiAddress: first, httpAddress } = places[0];
    const listen = { ...asked.listen, apiAddress: first, httpAddress };
    const settings = { ...asked, redisUrl: redis?.url ?? asked.redisUrl, listen };
    // The children read one file, so that what was put together from files, variables and options is the same for all.
    const settingsPath = join(dataDir, "settings.json");
    writeFileSync(settingsPath, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
    const common = ["--config", settingsPath, "--zone", settings.zone, "--log", logLevel];

    controllers = new LocalControllers(places, say);
    await controllers.start(common, logDir);
    const apiAddress = places.map((place) => place.apiAddress).join(",");

    if (signal.aborted) return await stop();

    for (const { host, telemetryWords } of options.agents) {
      const place = ["--host", host, "--data-dir", dataDir, "--controller", apiAddress];
      const shared = ["--checkpoints", join(dataDir, "checkpoints"), "--no-keeper"];
      const recalls = ["--recall-listen", "127.0.0.1:0"];
      const agentDir = join(dataDir, "agents", host);
      const agent = new SupervisedChild({
        name: `agent ${host}`,
        keptBy: (command) => keeperCommand(agentDir, agentPatienceMs - keeperHeadStartMs, command),
        words: ["agent", ...common, ...place, ...recalls, ...shared, ...telemetryWords],
        logPath: join(logDir, `agent-${host}.log`),
        say,
      });
      agents.push(agent);
    }
    const ready = await Promise.all(agents.map((agent) => agent.start()));
    if (signal.aborted) return await stop();

    const running = controllers;
    return {
      apiAddress,
      controllers: places,
      leader: () => running.leader,
      recallAddresses: new Map(
        ready.map(({ recallAddress = "" }, index) => [options.agents[index]!.host, recallAddress]),
      ),
      logDir,
      redis: redis === null ? "REDIS_URL" : `private, at ${redis.url}`,
      pids: () => Object.fromEntries([...running.children, ...agents].map(({ name, pid }) => [name, pid])),
      stop,
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}
