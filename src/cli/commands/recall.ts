import { Command, Option } from "commander";
import { recallOrderToProto, recallProgressFromProto } from "../../api/convert/recall.ts";
import type { RecallProgress } from "../../api/ports.ts";
import type { Rung } from "../../core/policy.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { formatDuration } from "../duration.ts";
import { exitCodes } from "../exit-codes.ts";
import {
  addressOption,
  addTargetOptions,
  durationOption,
  jsonOption,
  parseAddress,
  targetOf,
  type TargetOptions,
} from "../options.ts";
import { plural } from "../table.ts";

interface Options extends TargetOptions {
  readonly address: string;
  readonly agent?: string;
  readonly deadline?: number;
  readonly rung?: Rung;
  readonly reason: string;
  readonly hold?: number;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  const recall = new Command("recall").description(
    `Takes devices back by a deadline and shows each stage: paused (the compute is back), vacating, killing, released (it is
proven that no guest process is left). Ending this command does not undo the recall. Exits 6 if a deadline was missed.`,
  );
  return addTargetOptions(recall, "take back", true)
    .addOption(
      durationOption("--deadline <duration>", "until the devices must be released; default: the pool's"),
    )
    .addOption(
      new Option("--rung <rung>", "how it begins; default: as the pool's policy says").choices([
        "pause",
        "vacate",
        "kill",
      ]),
    )
    .option("--reason <text>", "kept in the books", "")
    .addOption(durationOption("--hold <duration>", "keep the devices from being lent for so long afterwards"))
    .addOption(
      new Option("--agent <host:port>", "ask the agent of the host itself, without any controller").argParser(
        parseAddress,
      ),
    )
    .addOption(addressOption(cli))
    .addOption(jsonOption("print a JSON line for each stage"))
    .addHelpText("after", help)
    .action((options: Options) => {
      const order = recallOrderToProto({
        target: targetOf(options, "recall"),
        deadlineMs: options.deadline ?? null,
        firstRung: options.rung ?? null,
        reason: options.reason,
        holdMs: options.hold ?? null,
      });
      return withClients(options.agent ?? options.address, async ({ owners }) => {
        const last = new Map<string, RecallProgress>();
        for await (const message of owners.recall(order)) {
          const progress = recallProgressFromProto(message);
          last.set(progress.device, progress);
          if (options.json === true) cli.printJson(progress);
          else cli.print(stageLine(cli, progress));
        }
        const missed = [...last.values()].filter(({ stage }) => stage === "deadline_missed").length;
        if (missed > 0) process.exitCode = exitCodes.deadlineMissed;
        if (options.json !== true)
          cli.note(
            `${plural(last.size, "device")} recalled${missed > 0 ? `, ${missed} missed the deadline` : ""}`,
          );
      });
    });
}

function stageLine({ paint }: Cli, { elapsedMs, device, stage, leaseId, detail }: RecallProgress): string {
  const word = stage.replace("_", " ");
  const padded = word.padEnd(15);
  const painted =
    stage === "released" ? paint.green(padded) : stage === "deadline_missed" ? paint.red(padded) : padded;
  const guest = leaseId === "" ? "was not lent" : `lease ${leaseId}`;
  return [formatElapsed(elapsedMs).padStart(8), device, painted, guest, detail]
    .filter((cell) => cell !== "")
    .join("  ");
}

/** Recalls are judged by the millisecond. */
function formatElapsed(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(1)}ms` : formatDuration(ms);
}

const help = `
Examples:
  $ gleaner recall --device GPU-4f2a --deadline 10s
  $ gleaner recall --pool render --count 4 --rung vacate --reason "nightly render"
  $ gleaner recall --fleet
  $ gleaner recall --device GPU-4f2a --agent 10.0.0.7:7072
`;
