import { Command, Option } from "commander";
import { backtestDevices } from "../../backtest/backtest-devices.ts";
import { backtestJobs } from "../../backtest/backtest-jobs.ts";
import { backtestPools } from "../../backtest/backtest-pools.ts";
import { writeDeviceDecisions, writePoolDecisions } from "../../backtest/decisions-csv.ts";
import { clairvoyant, type Shape } from "../../backtest/policies/registry.ts";
import type { PolicyContext } from "../../backtest/policy.ts";
import {
  defaultDeviceRules,
  defaultJobRules,
  defaultPoolRules,
  type RecallMode,
} from "../../backtest/rules.ts";
import { queryPresets } from "../../backtest/sources/query-presets.ts";
import { readJobTrace } from "../../backtest/trace/job-trace.ts";
import { deviceReport } from "../../backtest/report/device-report.ts";
import { originFrom, type Origin, type ReadHistory } from "../../backtest/report/origin.ts";
import { poolReport } from "../../backtest/report/pool-report.ts";
import { readPoolTrace } from "../../backtest/trace/pool-trace.ts";
import { writeText } from "../../backtest/write-text.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import { checkFiles } from "../backtest-files.ts";
import { limitLines, limitNotes, telemetryNotes } from "../backtest-notes.ts";
import { parseOrders, queueFrom, queueLine, type QueueOptions } from "../backtest-queue.ts";
import { parseAskedTime, readDevices, type SourceOptions } from "../backtest-source.ts";
import { jobsJson, jobsText } from "../backtest-job-views.ts";
import { devicesJson, devicesText, poolsJson, poolsText } from "../backtest-views.ts";
import type { Cli } from "../cli.ts";
import { countOption, durationOption, jsonOption, numberOption, shareOption } from "../options.ts";
import { TimeLeft } from "../time-left.ts";

interface Options extends SourceOptions, QueueOptions {
  readonly shape: Shape | "jobs";
  readonly policy: readonly string[];
  readonly recall: RecallMode;
  readonly penaltyS: number;
  readonly startS: number;
  readonly vacateS: number;
  readonly pauseBudgetS: number;
  readonly holdS: number;
  readonly guestMemMib: number;
  readonly deviceMemMib: number;
  readonly meetingsPerGpuDayMax?: number;
  readonly meetingsPerGpuDay?: number;
  readonly waitedShareMax?: number;
  readonly decisions?: string;
  readonly html?: string;
  readonly json?: boolean;
}

const policiesDefault = ["learned", "lend-all", "age:900", "age:1800", "clairvoyant"];
const causalDefault = policiesDefault.filter((name) => name !== clairvoyant);
const takesDefault = parseOrders("useful,random");
const queryTimeoutMs = 30_000;
const { penaltyS, startS, vacateS, pauseBudgetS, holdS, guestMib, deviceMib } = defaultDeviceRules;

export function command(cli: Cli): Command {
  return new Command("backtest")
    .description(
      `Plays lending policies over a recorded trace of a fleet, before anything is lent: what each would have gained, how often
owners would have met a guest, and what nobody could exceed. A policy sees each moment when it comes, and nothing after it.
Needs no controller.`,
    )
    .option("--trace <path>", "CSV file, gzip or plain; docs/backtest.md says what it holds")
    .option("--prometheus <url>", "devices: what it has recorded of dcgm-exporters, instead of a trace")
    .addOption(
      new Option("--query-preset <name>", "whose metrics and labels it has recorded")
        .choices(Object.keys(queryPresets))
        .default("dcgm"),
    )
    .option("--since <time>", "where that begins: ISO 8601, or how long ago (7d)", parseAskedTime)
    .option("--until <time>", "where it ends; default: now", parseAskedTime)
    .option("--pool-label <name>", "of its labels the one that names a GPU's pool; default: by its model")
    .addOption(
      durationOption("--query-timeout <duration>", "the longest that one of its queries may take").default(
        queryTimeoutMs,
        "30s",
      ),
    )
    .option(
      "--keep <path>",
      "write it there as it comes, a trace of devices; the same command goes on where one ended",
    )
    .addOption(
      new Option("--shape <shape>", "what a line of it counts")
        .choices(["devices", "pools", "jobs"])
        .default("devices"),
    )
    .addOption(
      new Option("--policy <names>", "what to play, with commas between; they are listed below")
        .argParser((text) => text.split(",").map((name) => name.trim()))
        .default(policiesDefault, policiesDefault.join()),
    )
    .addOption(
      new Option("--recall <how>", "devices: what an owner's return does to a guest")
        .choices(["kill", "pause"])
        .default(defaultDeviceRules.mode),
    )
    .addOption(secondsOption("--penalty-s <s>", "what it costs that an owner ends a lease", penaltyS))
    .addOption(secondsOption("--start-s <s>", "what a guest's start costs", startS))
    .addOption(secondsOption("--vacate-s <s>", "what handing a GPU back costs", vacateS))
    .addOption(secondsOption("--pause-budget-s <s>", "the longest pause, with --recall pause", pauseBudgetS))
    .addOption(
      numberOption("--hold-s <s>", "devices: how long a reading holds, if no other comes", 1).default(holdS),
    )
    .addOption(numberOption("--guest-mem-mib <MiB>", "of a guest, with --recall pause", 0).default(guestMib))
    .addOption(
      numberOption("--device-mem-mib <MiB>", "of each device; traces do not tell", 0).default(deviceMib),
    )
    .option(
      "--guests <path>",
      "devices: CSV file of the guests that come, instead of a queue that is never empty",
    )
    .addOption(
      numberOption(
        "--load <x>",
        `devices: instead of such a file, guests drawn so that their work is this share of the idle time; jobs: owners' share of the clusters that they are played on (default: ${defaultJobRules.load})`,
        0.01,
        1,
      ),
    )
    .addOption(
      new Option(
        "--take <orders>",
        "devices: which of those that may be lent a guest of these takes, one or more orders; they are listed below",
      )
        .argParser(parseOrders)
        .default(takesDefault, "useful,random"),
    )
    .addOption(
      numberOption(
        "--checkpoint-s <s>",
        "jobs, --guests, --load: between two checkpoints of a guest",
        1,
      ).default(defaultJobRules.checkpointS),
    )
    .addOption(
      numberOption("--meetings-per-gpu-day-max <n>", "devices: how often a return may find a guest", 0),
    )
    .addOption(numberOption("--meetings-per-gpu-day <n>", "the same, in short", 0).hideHelp())
    .addOption(
      shareOption("--waited-share-max <x>", "pools, jobs: share of arriving GPUs that may find one lent"),
    )
    .addOption(
      numberOption("--until-s <s>", "read the trace up to this time only", 0).default(Infinity, "all of it"),
    )
    .addOption(countOption("--seed <n>", "of whatever is random", 0).default(1))
    .option(
      "--decisions <path>",
      "write what the policy (one) decided, as CSV; with --take by its first order",
    )
    .option("--html <path>", "write a report with charts: one file that needs nothing else")
    .addOption(jsonOption())
    .addHelpText("after", help)
    .action((options: Options) => run(cli, options));
}

async function run(cli: Cli, options: Options): Promise<void> {
  if (options.decisions !== undefined && options.policy.length !== 1)
    throw refused("--decisions takes one policy: name it with --policy");
  if (options.shape !== "devices" && options.recall === "pause")
    throw refused(`--recall pause is for traces of devices: ${options.shape} do not say which GPU idles`);
  if (options.guests !== undefined && (options.load !== undefined || options.shape !== "devices"))
    throw refused("--guests is for traces of devices, without --load");
  if (
    options.take !== takesDefault &&
    options.guests === undefined &&
    (options.load === undefined || options.shape !== "devices")
  )
    throw refused("--take is for traces of devices with --guests or --load");
  if (options.load !== undefined && options.shape === "pools")
    throw refused("--load is for traces of devices and of jobs");
  if (options.shape === "jobs" && options.html !== undefined)
    throw refused("--html is for traces of devices and of pools");
  if ((options.trace === undefined) === (options.prometheus === undefined))
    throw refused("name one of --trace and --prometheus");
  await checkFiles(options);
  const { shape, policy } = options;
  const limits = contextOf(options, null);
  for (const note of limitNotes(shape, policy === policiesDefault ? [] : policy, limits))
    cli.note(`backtest: ${note}`);
  const timeLeft = new TimeLeft();
  try {
    await runs[options.shape](cli, options, timeLeft);
  } finally {
    timeLeft.end();
  }
}

async function runDevices(cli: Cli, options: Options, timeLeft: TimeLeft): Promise<void> {
  const { recall, penaltyS, startS, vacateS, pauseBudgetS, holdS, guestMemMib, deviceMemMib } = options;
  const rules = {
    ...defaultDeviceRules,
    mode: recall,
    penaltyS,
    startS,
    vacateS,
    pauseBudgetS,
    holdS,
    guestMib: guestMemMib,
    deviceMib: deviceMemMib,
  };
  const { trace, history } = await readDevices(options, timeLeft, cli.note);
  const source = await queueFrom(options, trace, rules);
  const policies = source === null ? options.policy : causalUnlessNamed(options);
  const onProgress = (policy: string, done: number) => timeLeft.show(policy, done);
  const context = contextOf(options, rules);
  const backtest = backtestDevices(trace, policies, context, onProgress, source?.queue);
  const origin = source?.origin ?? null;
  for (const note of telemetryNotes(backtest.telemetry, rules)) cli.note(`backtest: ${note}`);
  if (options.decisions !== undefined)
    await writeDeviceDecisions(options.decisions, backtest.results[0]!.decisions);
  const queue = origin === null ? null : queueLine(origin);
  if (options.html !== undefined)
    await writeText(options.html, [
      deviceReport(trace, context, backtest, originOf(cli, options, history), queue),
    ]);
  if (options.json === true) cli.printJson(devicesJson(backtest, rules, origin));
  else
    cli.print([devicesText(cli.paint, backtest, origin), ...limitLines(options.shape, context)].join("\n"));
}

async function runPools(cli: Cli, options: Options, timeLeft: TimeLeft): Promise<void> {
  const { penaltyS, startS, vacateS } = options;
  const rules = { ...defaultPoolRules, penaltyS, startS, vacateS };
  if (options.trace === undefined) throw refused("--shape pools needs --trace");
  const trace = await readPoolTrace(options.trace, options.untilS);
  const context = contextOf(options, rules);
  const results = backtestPools(trace, options.policy, context, (policy, done) =>
    timeLeft.show(policy, done),
  );
  if (options.decisions !== undefined) await writePoolDecisions(options.decisions, results[0]!.decisions);
  if (options.html !== undefined)
    await writeText(options.html, [poolReport(trace, context, results, originOf(cli, options))]);
  if (options.json === true) cli.printJson(poolsJson(results, rules));
  else cli.print([poolsText(cli.paint, results, rules), ...limitLines(options.shape, context)].join("\n"));
}

async function runJobs(cli: Cli, options: Options, timeLeft: TimeLeft): Promise<void> {
  const { penaltyS, startS, vacateS, load = defaultJobRules.load, checkpointS } = options;
  const rules = { ...defaultJobRules, penaltyS, startS, vacateS, load, checkpointS };
  if (options.trace === undefined) throw refused("--shape jobs needs --trace");
  if (options.decisions !== undefined) throw refused("--decisions is for devices and pools");
  const policies = causalUnlessNamed(options);
  const trace = await readJobTrace(options.trace, options.untilS);
  const context = contextOf(options, rules);
  const backtest = backtestJobs(trace, policies, context, (policy, done) => timeLeft.show(policy, done));
  if (options.json === true) cli.printJson(jobsJson(backtest, rules));
  else cli.print([jobsText(cli.paint, backtest), ...limitLines(options.shape, context)].join("\n"));
}

const runs = { devices: runDevices, pools: runPools, jobs: runJobs };

/** Where clairvoyant does not play. */
function causalUnlessNamed({ policy }: Options): readonly string[] {
  return policy === policiesDefault ? causalDefault : policy;
}

function originOf(
  { words }: Cli,
  { trace, prometheus }: Options,
  history: ReadHistory | null = null,
): Origin {
  return originFrom(trace ?? prometheus!, words, history);
}

function contextOf<Rules>(options: Options, rules: Rules): PolicyContext<Rules> {
  const { meetingsPerGpuDay = null, meetingsPerGpuDayMax = meetingsPerGpuDay } = options;
  const { waitedShareMax = null, seed } = options;
  return { rules, meetingsPerGpuDayMax, waitedShareMax, seed };
}

function secondsOption(flags: string, description: string, value: number): Option {
  return numberOption(flags, description, 0).default(value);
}

function refused(problem: string): GleanerError {
  return new GleanerError("COMMAND_INVALID", { problem, command: "backtest" });
}

const help = `
Policies:
  learned        Gleaner's own: a forecast that learns as it goes, and lends when that is worth more than to wait
  age:S          lend what has been idle for S seconds: 1800 is gpu-pruner's rule, 900 HTCondor's
  lend-all       lend what is idle, at once
  nsigma:N       pools: keep the mean and N deviations of the last day's demand free (Borg, EuroSys '21)
  max-peak[:N]   pools: as much, or the last day's 99th percentile, whichever is more
  gfs            pools: the hourly peaks' forecast, with a quota that feedback steers (ASPLOS '26)
  clairvoyant    knows the future: the measure of the others; not of jobs, nor with --guests or --load
Jobs are played by the policies of pools.

What a guest takes (--guests, --load), of the devices that the policy would lend just then:
  useful         the one on which the policy's forecast expects most useful time for it
  fit            as the matcher: the one of most value, and none on which it does not fit
  longest-idle   the one that idles longest; also where the policy has no forecast
  random         any

Examples:
  $ gleaner backtest --trace examples/sample.devices.csv.gz
  $ gleaner backtest --trace week.csv.gz --policy learned,lend-all --recall pause --guest-mem-mib 16384
  $ gleaner backtest --trace pools.csv.gz --shape pools --policy learned,nsigma:2,clairvoyant --penalty-s 900
  $ gleaner backtest --trace jobs.csv.gz --shape jobs --load 0.8
  $ gleaner backtest --trace week.csv.gz --load 0.5
  $ gleaner backtest --trace week.csv.gz --guests guests.csv --take useful,longest-idle,random
  $ gleaner backtest --trace week.csv.gz --policy learned --decisions out.csv --json
  $ gleaner backtest --trace week.csv.gz --html report.html
  $ gleaner backtest --prometheus http://prometheus:9090 --since 7d --pool-label Hostname --keep week.csv.gz
`;
