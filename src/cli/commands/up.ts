import { Command, Option } from "commander";
import { once } from "node:events";
import { defaults } from "../../config/defaults.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import { listenForShutdown } from "../../runtime/shutdown.ts";
import type { Cli } from "../cli.ts";
import { fastFleetSettings, fastFleetSpeed } from "../demo/settings.ts";
import { startLocalStack, type AgentPlan, type LocalStack } from "../local-stack.ts";
import { collect, countOption } from "../options.ts";
import { hostNames, replayAgents } from "../replay-agents.ts";
import { sampleTrace } from "../sample-trace.ts";
import {
  addListenOptions,
  addSettingsOptions,
  listenLayers,
  logLevelOf,
  settingsOf,
  type ListenOptions,
  type SettingsOptions,
} from "../settings-options.ts";
import { plural } from "../table.ts";

interface Options extends SettingsOptions, ListenOptions {
  readonly controllers: "1" | "2";
  readonly agents: number;
  readonly devices: number;
  readonly telemetry?: readonly string[];
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  const up = new Command("up").description(
    `Runs all of Gleaner on this machine: a private Redis (unless REDIS_URL is set), a controller or two, and agents, each a process
that is started again when it dies. Stays until Ctrl-C, which vacates the guests first and leaves no process; a second
Ctrl-C ends at once. Without --telemetry it is a fleet to play with: owners as in the sample trace, living ${fastFleetSpeed} times
as fast, whose idle devices are lent. With --telemetry nothing is lent before a policy says so.`,
  );
  return addListenOptions(addSettingsOptions(up, cli))
    .addOption(
      new Option("--controllers <n>", "2: one leads, the other takes over when it dies")
        .choices(["1", "2"])
        .default("1"),
    )
    .addOption(countOption("--agents <n>", "agents, each a host of its own").default(2))
    .addOption(countOption("--devices <n>", "devices of the sample trace, over all agents").default(16))
    .option("--telemetry <source>", "dcgm:URL[,URL…], one for each agent in turn", collect)
    .option("--json", "print the addresses as one JSON line when all is up")
    .addHelpText("after", help)
    .action((options: Options) => run(cli, options));
}

async function run(cli: Cli, options: Options): Promise<void> {
  const { controllers, agents: count, devices, telemetry } = options;
  const { address } = cli.environment;
  const environment =
    address === null
      ? []
      : [{ source: "GLEANER_ADDRESS", values: { listen: { apiAddress: address.split(",")[0] } } }];
  const settings = settingsOf(
    cli,
    options,
    [...environment, ...listenLayers(options)],
    telemetry === undefined ? fastFleetSettings : {},
  );
  const say = options.json === true ? cli.note : cli.print;
  using shutdown = listenForShutdown({
    onDrain: () => say("stopping: guests are vacated first; Ctrl-C again ends at once"),
  });
  const stack = await startLocalStack({
    settings,
    controllers: Number(controllers),
    agents:
      telemetry === undefined
        ? replayAgents(count, { trace: sampleTrace, speed: fastFleetSpeed, devices })
        : realAgents(count, telemetry),
    logLevel: logLevelOf(cli, options),
    say,
    signal: shutdown.signal,
  });
  if (stack === null) return;
  if (options.json === true) cli.printJson(describe(stack));
  else for (const line of welcome(cli, stack)) say(line);
  if (!shutdown.signal.aborted) await once(shutdown.signal, "abort");
  await stack.stop();
  say("stopped; no process is left");
}

function realAgents(count: number, telemetry: readonly string[]): AgentPlan[] {
  if (telemetry.length !== count)
    throw new GleanerError("COMMAND_INVALID", {
      problem: `${plural(count, "agent")} but ${telemetry.length} times --telemetry: give one for each agent`,
      command: "up",
    });
  return hostNames(count).map((host, index) => ({
    host,
    telemetryWords: ["--telemetry", telemetry[index]!],
  }));
}

function describe(stack: LocalStack) {
  const { apiAddress, controllers, redis, logDir } = stack;
  const { httpAddress } = controllers[0];
  return {
    apiAddress,
    httpAddress,
    controllers: Object.fromEntries(
      controllers.map(({ name, apiAddress, httpAddress }) => [name, { apiAddress, httpAddress }]),
    ),
    leader: stack.leader(),
    recallAddresses: Object.fromEntries(stack.recallAddresses),
    redis,
    logDir,
    pids: stack.pids(),
  };
}

function welcome({ paint, environment }: Cli, stack: LocalStack): string[] {
  const isDefault = stack.apiAddress === (environment.address ?? defaults.listen.apiAddress);
  const address = isDefault ? "" : ` --address ${stack.apiAddress}`;
  const agents = [...stack.recallAddresses].map(([host, recall]) => `${host} (takes recalls at ${recall})`);
  return [
    paint.bold("gleaner is up"),
    ...stack.controllers.map(controllerLine),
    `  agents    ${agents.join(", ")}`,
    `  redis     ${stack.redis}`,
    `  logs      ${stack.logDir}`,
    "Try, in another terminal:",
    `  gleaner submit${address} --tenant research --name hello -- sh -c 'echo hello; sleep 5'`,
    `  gleaner top${address}`,
    "Ctrl-C stops everything.",
  ];

  function controllerLine({ name, apiAddress, httpAddress }: LocalStack["controllers"][number]): string {
    const role = stack.controllers.length === 1 ? "" : name === stack.leader() ? "   leads" : "   stands by";
    return `  gRPC      ${apiAddress}   metrics  http://${httpAddress}/metrics${role}`;
  }
}

const help = `
Examples:
  $ gleaner up
  $ gleaner up --agents 4 --devices 32
  $ gleaner up --controllers 2
  $ gleaner up --agents 1 --telemetry dcgm:http://127.0.0.1:9400/metrics --config gleaner.yaml
`;
