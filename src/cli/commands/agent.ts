import { hostname } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { runAgent } from "../../agent/agent.ts";
import { defaults } from "../../config/defaults.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import { keeperCommand } from "../../keeper/keeper-command.ts";
import type { Cli } from "../cli.ts";
import { parseAddresses } from "../options.ts";
import { gleaner } from "../self.ts";
import { serveUntilStopped } from "../serve.ts";
import { addSettingsOptions, loggerOf, settingsOf, type SettingsOptions } from "../settings-options.ts";
import { addTelemetryOptions, openTelemetry, type TelemetryOptions } from "../telemetry-options.ts";

interface Options extends SettingsOptions, TelemetryOptions {
  readonly controller: string;
  readonly recallListen: string;
  readonly host: string;
  readonly agentId?: string;
  readonly checkpoints?: string;
  readonly keeper: boolean;
}

/** Ends before a service manager that was told to stop it loses patience. */
const patienceMs = 55_000;

export function command(cli: Cli): Command {
  const agent = new Command("agent").description(
    `Runs the agent of one GPU host: reads telemetry, starts guests, pauses, vacates and kills them, and proves each
hand-back. Owner first: when an owner comes back it pauses the guest at once and tells the controller afterwards.`,
  );
  addTelemetryOptions(agent);
  return addSettingsOptions(agent, cli)
    .addOption(
      new Option(
        "--controller <host:port>",
        "controller to work for (GLEANER_ADDRESS); of several, all with commas between",
      )
        .default(cli.environment.address ?? defaults.listen.apiAddress)
        .argParser(parseAddresses),
    )
    .addOption(
      new Option(
        "--recall-listen <host:port>",
        "where it takes recalls itself, port 0: any; none: nowhere",
      ).default(defaults.listen.agentAddress),
    )
    .addOption(
      new Option("--host <name>", "name of this host, as telemetry gives it").default(
        hostname(),
        "what the system says",
      ),
    )
    .option("--agent-id <name>", "stays the same over restarts; default: the host's name")
    .option(
      "--checkpoints <dir>",
      "guests' checkpoints; where hosts share it, guests find theirs on any of them",
    )
    .option("--no-keeper", "the agent alone: nothing starts it again or ends its guests where it hangs")
    .addHelpText("after", help)
    .action(async (options: Options) => {
      const settings = settingsOf(cli, options);
      const { host, controller: controllerAddress } = options;
      const agentId = options.agentId ?? host;
      const dataDir = join(settings.dataDir, "agents", agentId);
      if (options.keeper) become(keeperCommand(dataDir, patienceMs, gleaner([...cli.words, "--no-keeper"])));
      const logger = loggerOf(cli, options, "agent");
      const source = await openTelemetry(options, settings, logger);
      await serveUntilStopped(patienceMs, async (signal) => {
        const running = await runAgent({
          agentId,
          host,
          dataDir,
          controllerAddress: controllerAddress.split(","),
          recallListen: options.recallListen === "none" ? null : options.recallListen,
          source,
          settings,
          env: cli.environment.guestEnv,
          ...(options.checkpoints !== undefined && { checkpointsDir: options.checkpoints }),
          logger,
          signal,
        });
        return {
          addresses: { recallAddress: running.recallAddress ?? "" },
          // Nobody would give the devices back to their owners while no agent lives.
          stop: () => running.stop({ vacate: true }),
          debugDump: () => running.debugDump(),
        };
      });
    });
}

/** Goes on as another program in this very process. */
function become([file, ...args]: [file: string, ...args: string[]]): never {
  process.execve?.(file, [file, ...args]);
  throw new GleanerError("INTERNAL", { problem: `${file} could not be started in this process` });
}

const help = `
Examples:
  $ gleaner agent --telemetry dcgm:http://127.0.0.1:9400/metrics --controller 10.0.0.2:7070
  $ gleaner agent --telemetry replay:examples/sample.devices.csv.gz --speed 57 --devices 8 --host lab-1
SIGTERM and Ctrl-C vacate the guests first, with a notice of 20 s at most; a second one ends the agent at once. SIGUSR2 prints what
it holds to stderr, one JSON object. A keeper, a shell process of about 1 MiB, starts the agent again when it dies (it
adopts the guests that still run) and ends guests whose time is over while the agent is away or hangs.
`;
