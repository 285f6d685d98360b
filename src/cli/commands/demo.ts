import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { GleanerError } from "../../errors/gleaner-error.ts";
import { reportText } from "../../report/text.ts";
import { listenForShutdown } from "../../runtime/shutdown.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { checkDemo, type Check } from "../demo/checks.ts";
import { makeDemoDir } from "../demo/directory.ts";
import { isAbort } from "../demo/is-abort.ts";
import { runDemo } from "../demo/run.ts";
import { fastFleetSettings, fastFleetSpeed } from "../demo/settings.ts";
import { DemoView } from "../demo/view.ts";
import { exitCodes } from "../exit-codes.ts";
import { startLocalStack, type LocalStack } from "../local-stack.ts";
import { countOption, numberOption } from "../options.ts";
import { processesNaming } from "../processes.ts";
import { replayAgents } from "../replay-agents.ts";
import { sampleTrace } from "../sample-trace.ts";
import { layeredSettings } from "../settings-file.ts";

interface Options {
  readonly trace: string;
  readonly speed: number;
  readonly devices: number;
  readonly seconds: number;
  readonly json?: string;
  readonly keep?: boolean;
}

const hostCount = 2;

export function command(cli: Cli): Command {
  return new Command("demo")
    .description(
      `Shows all of Gleaner at work, each part real: a Redis (REDIS_URL, or its own), a controller and two agents, ${fastFleetSpeed} times as
fast as the trace whose owners it replays. 40 guests of three tenants, real processes, are lent idle devices and give them back
whenever an owner returns or calls Recall. Ends with the efficiency report, and checks itself: exits 1 if a check fails.`,
    )
    .addOption(
      new Option("--trace <path>", "CSV of devices, plain or gzip").default(
        sampleTrace,
        "the sample in examples/",
      ),
    )
    .addOption(
      numberOption("--speed <factor>", "so many times as fast as the trace", 0.001).default(fastFleetSpeed),
    )
    .addOption(countOption("--devices <n>", "the first n devices of the trace").default(16))
    .addOption(countOption("--seconds <n>", "how long guests are served", 5).default(90))
    .option("--json <path>", "write the report and the checks there as JSON")
    .option("--keep", "keep the files; otherwise the next demo removes them")
    .addHelpText("after", help)
    .action((options: Options) => run(cli, options));
}

async function run(cli: Cli, options: Options): Promise<void> {
  const { seconds, devices } = options;
  const dataDir = makeDemoDir(options.keep === true);
  const view = new DemoView(cli, seconds);
  using shutdown = listenForShutdown({
    onDrain: () => view.say("stopping: guests are vacated first; Ctrl-C again ends at once"),
  });
  const stack = await startLocalStack({
    settings: demoSettings(cli, dataDir),
    controllers: 1,
    agents: replayAgents(hostCount, options),
    logLevel: cli.environment.logLevel ?? "info",
    say: (line) => view.say(line),
    signal: shutdown.signal,
  });
  if (stack === null) return void (process.exitCode = exitCodes.interrupted);
  let outcome;
  try {
    for (const line of welcome(stack, options)) cli.print(line);
    outcome = await withClients(stack.apiAddress, (clients) =>
      runDemo(clients, view, { agents: hostCount, seconds }, shutdown.signal),
    );
  } catch (thrown) {
    if (!isAbort(thrown, shutdown.signal)) throw thrown;
    outcome = null;
  } finally {
    await stack.stop();
  }
  const processesLeft = processesNaming(dataDir);
  if (outcome === null) {
    for (const left of processesLeft) cli.note(`left behind: ${left}`);
    return void (process.exitCode = exitCodes.interrupted);
  }
  const { report, guests } = outcome;
  const returnsMin = Math.min(30, Math.floor((seconds * devices) / 48));
  const checks = checkDemo({ report, guests, processesLeft, returnsMin });
  cli.print(`\n${reportText(report, { colors: cli.paint.isColorSupported, pricePerGpuHour: 0 })}\n`);
  for (const line of verdict(cli, checks)) cli.print(line);
  if (options.json !== undefined) writeJson(options.json, { options, report, checks, guests, dataDir });
  for (const line of farewell(dataDir, options)) cli.print(line);
  if (checks.some(({ ok }) => !ok)) process.exitCode = exitCodes.failed;
}

function demoSettings({ environment }: Cli, dataDir: string) {
  const listen = { apiAddress: "127.0.0.1:0", httpAddress: "127.0.0.1:0" };
  const layers = [
    { source: "demo", values: { ...fastFleetSettings, dataDir, listen, zone: `demo-${process.pid}` } },
  ];
  const redis =
    environment.redisUrl === null
      ? []
      : [{ source: "REDIS_URL", values: { redisUrl: environment.redisUrl } }];
  return layeredSettings([...layers, ...redis]);
}

function welcome(stack: LocalStack, { devices, trace, speed, seconds }: Options): string[] {
  return [
    `gleaner demo: at most ${devices} devices of ${trace}`,
    `              on ${hostCount} hosts, ${speed} times as fast as real, for ${seconds} s`,
    `redis       ${stack.redis}`,
    `controller  gRPC ${stack.apiAddress}, metrics http://${stack.controllers[0].httpAddress}/metrics`,
    `agents      ${[...stack.recallAddresses.keys()].join(", ")}; logs of all in ${stack.logDir}`,
  ];
}

function verdict({ paint }: Cli, checks: readonly Check[]): string[] {
  return checks.map(
    ({ name, ok, seen }) => `${ok ? paint.green("ok  ") : paint.red("FAIL")}  ${name} (${seen})`,
  );
}

function farewell(dataDir: string, { keep }: Options): string[] {
  return [
    "",
    `Files${keep === true ? "" : ", until the next demo"}:`,
    `  books        ${join(dataDir, "ledger.sqlite")}`,
    `  logs         ${join(dataDir, "logs")}`,
    `  checkpoints  ${join(dataDir, "checkpoints")}`,
    `  guests       ${join(dataDir, "agents")}: what they printed`,
    "Next:",
    `  bin/gleaner report --books ${join(dataDir, "ledger.sqlite")} --price 2.5`,
    "  bin/gleaner up",
  ];
}

function writeJson(path: string, value: unknown): void {
  try {
    writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
  } catch (thrown) {
    const problem = thrown instanceof Error ? thrown.message : String(thrown);
    throw new GleanerError("FILE_UNREADABLE", { path, problem }, { cause: thrown });
  }
}

const help = `
Examples:
  $ gleaner demo
  $ gleaner demo --seconds 30 --devices 8
  $ gleaner demo --trace fleet.devices.csv.gz --json demo.json --keep
`;
