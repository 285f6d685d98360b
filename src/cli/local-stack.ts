import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "../config/settings.ts";
import { keeperCommand } from "../keeper/keeper-command.ts";
import { createLogger, type LogLevel } from "../runtime/log.ts";
import { startRedisServer, type RedisServer } from "../store/redis-server.ts";
import { fixedAddress } from "./fixed-address.ts";
import { SupervisedChild } from "./supervisor.ts";

export interface AgentPlan {
  readonly host: string;
  /** `--telemetry …` and what belongs to it. */
  readonly telemetryWords: readonly string[];
}

export interface LocalStackOptions {
  /** With `dataDir`; an empty `redisUrl` means a private Redis. */
  readonly settings: Settings;
  readonly agents: readonly AgentPlan[];
  readonly logLevel: LogLevel;
  /** One line for a person: what started, what was restarted. */
  readonly say: (line: string) => void;
  /** Aborted while it starts: what has started is stopped again. */
  readonly signal: AbortSignal;
}

export interface LocalStack {
  readonly apiAddress: string;
  readonly httpAddress: string;
  /** By host. */
  readonly recallAddresses: ReadonlyMap<string, string>;
  readonly logDir: string;
  /** Where Redis answers, in a person's words. */
  readonly redis: string;
  /** Process ids by name, as they are now. */
  pids(): Record<string, number | null>;
  /** Vacates the guests with their agents, then ends the controller, then Redis. */
  stop(): Promise<unknown>;
}

const agentPatienceMs = 30_000;
/** The keeper ends an agent that hangs, and its guests, before we would end the keeper. */
const keeperHeadStartMs = 5_000;
const controllerPatienceMs = 15_000;

/**
 * All of Gleaner on this machine: Redis, a controller and agents, each a process of its own, supervised. null: the signal
 * aborted meanwhile.
 */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack | null> {
  const { settings: asked, say, logLevel, signal } = options;
  const { dataDir } = asked;
  const logDir = join(dataDir, "logs");
  mkdirSync(logDir, { recursive: true, mode: 0o700 });

  const agents: SupervisedChild[] = [];
  let controller: SupervisedChild | null = null;
  let redis: RedisServer | null = null;
  const stop = async () => {
    await Promise.all(agents.map((agent) => agent.stop(agentPatienceMs)));
    await controller?.stop(controllerPatienceMs);
    await redis?.stop();
    return null;
  };

  try {
    if (asked.redisUrl === "")
      redis = await startRedisServer({
        dir: join(dataDir, "redis"),
        logger: createLogger({ name: "redis", level: "warn" }),
      });
    const settings = {
      ...asked,
      redisUrl: redis?.url ?? asked.redisUrl,
      listen: {
        ...asked.listen,
        apiAddress: await fixedAddress(asked.listen.apiAddress),
        httpAddress: await fixedAddress(asked.listen.httpAddress),
      },
    };
    // The children read one file, so that what was put together from files, variables and options is the same for all.
    const settingsPath = join(dataDir, "settings.json");
    writeFileSync(settingsPath, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
    const common = [
      "--config",
      settingsPath,
      "--zone",
      settings.zone,
      "--data-dir",
      dataDir,
      "--log",
      logLevel,
    ];

    controller = new SupervisedChild({
      name: "controller",
      words: ["controller", ...common],
      logPath: join(logDir, "controller.log"),
      say,
    });
    await controller.start();
    const { apiAddress, httpAddress } = settings.listen;

    if (signal.aborted) return await stop();

    for (const { host, telemetryWords } of options.agents) {
      const place = ["--host", host, "--controller", apiAddress, "--recall-listen", "127.0.0.1:0"];
      const shared = ["--checkpoints", join(dataDir, "checkpoints"), "--no-keeper"];
      const agentDir = join(dataDir, "agents", host);
      const agent = new SupervisedChild({
        name: `agent ${host}`,
        keptBy: (command) => keeperCommand(agentDir, agentPatienceMs - keeperHeadStartMs, command),
        words: ["agent", ...common, ...place, ...shared, ...telemetryWords],
        logPath: join(logDir, `agent-${host}.log`),
        say,
      });
      agents.push(agent);
    }
    const ready = await Promise.all(agents.map((agent) => agent.start()));
    if (signal.aborted) return await stop();

    return {
      apiAddress,
      httpAddress,
      recallAddresses: new Map(
        ready.map(({ recallAddress = "" }, index) => [options.agents[index]!.host, recallAddress]),
      ),
      logDir,
      redis: redis === null ? "REDIS_URL" : `private, at ${redis.url}`,
      pids: () => Object.fromEntries([controller!, ...agents].map(({ name, pid }) => [name, pid])),
      stop,
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}
