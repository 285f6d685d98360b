import { Command } from "commander";
import { policyFromProto, policyToProto } from "../../api/convert/policy.ts";
import { policySchema } from "../../config/settings.ts";
import type { PoolPolicy } from "../../core/policy.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Cli } from "../cli.ts";
import { withClients, type Clients } from "../connect.ts";
import { formatDuration } from "../duration.ts";
import { addressOption, durationOption, jsonOption, numberOption, shareOption } from "../options.ts";
import { readDocument } from "../settings-file.ts";
import { table } from "../table.ts";

interface SetOptions {
  readonly address: string;
  readonly json?: boolean;
  readonly file?: string;
  readonly [field: string]: unknown;
}

export function command(cli: Cli): Command {
  const list = new Command("list")
    .description("Lists the rules of all pools.")
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .action((options: { address: string; json?: boolean }) =>
      withClients(options.address, async (clients) =>
        show(cli, await policiesOf(clients), options.json === true),
      ),
    );
  return new Command("policy")
    .description("Shows or sets the rules under which a pool's devices are lent.")
    .addCommand(list, { isDefault: true })
    .addCommand(setCommand(cli))
    .addHelpText("after", help);
}

function setCommand(cli: Cli): Command {
  return new Command("set")
    .description("Changes a pool's rules: what is named here; the rest stays as it is.")
    .argument("<pool>", "pool")
    .option(
      "-f, --file <path>",
      "a policy as YAML or JSON, with the fields that docs/settings.md lists; it replaces everything",
    )
    .option("--owner <name>", "whose devices they are")
    .option("--mode <mode>", "observe: forecast and report, lend nothing; lend")
    .addOption(numberOption("--lent-share-max <x>", "part of the pool that may be lent at once", 0, 1))
    .addOption(numberOption("--meetings-per-gpu-day-max <n>", "how often a return may find a guest", 0))
    .addOption(shareOption("--waited-share-max <x>", "part of the devices owners take that may find a guest"))
    .addOption(durationOption("--recall-deadline <duration>", "by when a recalled device is released"))
    .addOption(
      durationOption("--pause-budget <duration>", "how long a guest may stay paused before it is vacated"),
    )
    .option(
      "--first-rung <rung>",
      "how a recall begins, and what follows an owner's return: pause, vacate, kill",
    )
    .option("--vacate-from-pause <way>", "thaw: the guest hears its notice on the owner's device; kill")
    .option("--return-signal <signal>", "activity: telemetry tells owner from guest; call: the owner calls")
    .addOption(numberOption("--reserve-memory <MiB>", "device memory that is never lent", 0))
    .addOption(durationOption("--idle-min <duration>", "least time idle before a device may be lent"))
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .action((pool: string, options: SetOptions) =>
      withClients(options.address, async (clients) => {
        const policy = check(
          options.file === undefined
            ? {
                ...(await policiesOf(clients)).find((known) => known.pool === pool),
                pool,
                ...changes(options),
              }
            : { ...(readDocument(options.file) as object), pool },
          options.file ?? "command line",
        );
        const answer = await clients.owners.setPolicy({ policy: policyToProto(policy) });
        if (answer.policy !== undefined) show(cli, [policyFromProto(answer.policy)], options.json === true);
      }),
    );
}

/** Options whose names differ from the fields that they set. */
const fieldOf: Readonly<Record<string, string>> = {
  recallDeadline: "recallDeadlineMs",
  pauseBudget: "pauseBudgetMs",
  reserveMemory: "reserveMemoryMib",
  idleMin: "idleMsMin",
};

function changes({ address: _, json: __, file: ___, ...given }: SetOptions): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).map(([option, value]) => [fieldOf[option] ?? option, value]),
  );
}

function check(input: unknown, source: string): PoolPolicy {
  const result = policySchema.safeParse(input);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new GleanerError("CONFIG_INVALID", {
    source,
    field: issue?.path.join(".") || "policy",
    problem: issue?.message ?? "invalid",
    command: "policy",
  });
}

async function policiesOf({ owners }: Clients): Promise<PoolPolicy[]> {
  return (await owners.listPolicies({})).policies.map(policyFromProto);
}

function show(cli: Cli, policies: readonly PoolPolicy[], json: boolean): void {
  if (json) cli.printJson({ policies });
  else if (policies.length === 0)
    cli.note("no pool has a policy yet: devices in pools without one are only observed");
  else cli.print(policyTable(cli, policies));
}

function policyTable({ paint }: Cli, policies: readonly PoolPolicy[]): string {
  return table(
    paint,
    [
      "POOL",
      "OWNER",
      "MODE",
      "LENT MAX",
      "IDLE MIN",
      "FIRST",
      "PAUSE",
      "DEADLINE",
      "RETURN BY",
      "MEETINGS/DAY",
      "WAITED",
      "WINDOWS",
    ],
    policies.map((policy) => [
      policy.pool,
      policy.owner || "-",
      policy.mode === "lend" ? paint.green(policy.mode) : policy.mode,
      `${Math.round(policy.lentShareMax * 100)}%`,
      formatDuration(policy.idleMsMin),
      policy.firstRung,
      formatDuration(policy.pauseBudgetMs),
      formatDuration(policy.recallDeadlineMs),
      policy.returnSignal,
      policy.meetingsPerGpuDayMax === null ? "any" : String(policy.meetingsPerGpuDayMax),
      policy.waitedShareMax === null ? "any" : String(policy.waitedShareMax),
      policy.windows.length === 0 ? "always" : String(policy.windows.length),
    ]),
  );
}

const help = `
Examples:
  $ gleaner policy
  $ gleaner policy set render --mode lend --recall-deadline 30s
  $ gleaner policy set render --lent-share-max 0.1 --meetings-per-gpu-day-max 2
`;
