import { Command } from "commander";
import { join } from "node:path";
import { decisionsDirName } from "../../controller/decision-files.ts";
import { readDecisions, type ReadCycle } from "../../controller/decision-reader.ts";
import { replay } from "../../controller/decision-replay.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Cli } from "../cli.ts";
import {
  cycleHead,
  cycleView,
  deviceHead,
  deviceView,
  guestHead,
  guestView,
  timeOf,
  type CycleView,
} from "../decision-views.ts";
import { exitCodes } from "../exit-codes.ts";
import { jsonOption, parseInstant } from "../options.ts";
import { addPlaceOptions, settingsOf, type SettingsOptions } from "../settings-options.ts";
import { plural, table } from "../table.ts";
import { version } from "../version.ts";

interface Options extends Omit<SettingsOptions, "log"> {
  readonly since?: Date;
  readonly guest?: string;
  readonly device?: string;
  readonly replay?: boolean;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  const decisions = new Command("decisions").description(
    `Shows what a controller on this machine decided and why, from the journal in its data directory: what the core saw in
each cycle, and what it made of it. A cycle that lends nothing and repeats the one before is not kept. With --replay every cycle
is decided again from what it saw: exits 1 at the first that comes out differently. Needs no controller.`,
  );
  return addPlaceOptions(decisions, cli)
    .option("--since <time>", "ISO 8601, or how long ago (2h); default: all that is kept", parseInstant)
    .option("--guest <id>", "what was decided about this guest in each cycle it waited in, and why")
    .option("--device <uuid>", "what was decided about this device in each cycle, and why")
    .option("--replay", "decide each cycle again and compare")
    .addOption(jsonOption("print a JSON line for each cycle; with --replay one document"))
    .addHelpText("after", help)
    .action(async (options: Options) => {
      const { guest, device } = options;
      if ([guest, device, options.replay].filter((given) => given !== undefined).length > 1)
        throw new GleanerError("COMMAND_INVALID", {
          problem: "name one of --guest, --device and --replay",
          command: "decisions",
        });
      const cycles = readDecisions(join(settingsOf(cli, options).dataDir, decisionsDirName), {
        sinceMs: options.since?.getTime() ?? -Infinity,
        onUnreadable: (error) => cli.note(`passed over: ${error.toString()}`),
      });
      if (options.replay === true) await replayAll(cli, cycles, options);
      else if (guest !== undefined) await show(cli, cycles, options, guestHead, (of) => guestView(of, guest));
      else if (device !== undefined)
        await show(cli, cycles, options, deviceHead, (of) => deviceView(of, device));
      else await show(cli, cycles, options, cycleHead, cycleView);
    });
}

async function show(
  cli: Cli,
  cycles: AsyncIterable<ReadCycle>,
  { json }: Options,
  head: readonly string[],
  view: (cycle: ReadCycle) => CycleView | null,
): Promise<void> {
  const rows: (readonly string[])[] = [];
  let kept = 0;
  let missed = 0;
  for await (const cycle of cycles) {
    kept++;
    missed += cycle.missed;
    const seen = view(cycle);
    if (seen === null) continue;
    if (json === true) cli.printJson(seen.json);
    else rows.push(seen.cells);
  }
  if (rows.length > 0) cli.print(table(cli.paint, head, rows));
  else if (json !== true)
    cli.note(kept === 0 ? "no cycle is kept of that time" : `none of ${plural(kept, "kept cycle")} knows it`);
  if (missed > 0) cli.note(`${plural(missed, "cycle")} could not be kept: the disk was too slow`);
}

async function replayAll(cli: Cli, cycles: AsyncIterable<ReadCycle>, { json }: Options): Promise<void> {
  let replayed = 0;
  const otherReleases = new Set<string>();
  for await (const cycle of cycles) {
    replayed++;
    if (cycle.release !== version()) otherReleases.add(cycle.release);
    const difference = replay(cycle, cycle.settings);
    if (difference === null) continue;
    process.exitCode = exitCodes.failed;
    const { path, release } = cycle;
    const at = timeOf(cycle.atMs);
    const { subject, recorded, replayed: now } = difference;
    if (json === true) cli.printJson({ cycles: replayed, difference: { at, path, release, ...difference } });
    else
      cli.print(
        `${at}  ${cli.paint.red("comes out differently")}: ${subject}\n` +
          `  recorded by ${release}: ${recorded}\n  now, by ${version()}: ${now}\n  in ${path}`,
      );
    return;
  }
  if (json === true) cli.printJson({ cycles: replayed, difference: null });
  else cli.print(`${plural(replayed, "cycle")} decided again: the same decisions`);
  if (otherReleases.size > 0)
    cli.note(`some were decided by release ${[...otherReleases].join(", ")}; this is ${version()}`);
}

const help = `
Examples:
  $ gleaner decisions --since 10m                    cycles: when, how many devices, guests and lends
  $ gleaner decisions --guest g-000123               why it waited, and what it was lent then
  $ gleaner decisions --device GPU-4f2a --since 1h
  $ gleaner decisions --replay                       the release at hand still decides the same?
  $ zstdcat /var/lib/gleaner/default/decisions/*.zst | jq .kind
A lend is a decision; whether it came about (the owner may have returned meanwhile) is in the books: gleaner report.
decisions.keptMibMax bounds the disk it takes; docs/reasons.md says what each reason's word means.
`;
