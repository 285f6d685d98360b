import { Command } from "commander";
import { holdFromProto, targetToProto } from "../../api/convert/target.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Cli } from "../cli.ts";
import { withClients, type Clients } from "../connect.ts";
import { holdTable } from "../hold-table.ts";
import {
  addressOption,
  addTargetOptions,
  durationOption,
  jsonOption,
  targetOf,
  targetOrNull,
  type TargetOptions,
} from "../options.ts";

interface Options extends TargetOptions {
  readonly address: string;
  readonly ttl?: number;
  readonly reason: string;
  readonly recall?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  const hold = new Command("hold").description(
    `Nothing new is lent there until the hold ends; --fleet is the one switch that stops all lending. What is lent stays
unless --recall takes it back. Holds add up: lending needs all of them gone.`,
  );
  return addTargetOptions(hold, "hold")
    .addOption(
      durationOption("--ttl <duration>", "ends by itself after so long; default: until `gleaner unhold`"),
    )
    .option(
      "--reason <text>",
      "shown wherever the hold stands in the way; with the target it names the hold",
      "",
    )
    .option("--recall", "also take back what is lent there, with the pool's deadline")
    .option("--list", "list the holds that stand")
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .addHelpText("after", help)
    .action((options: Options) => {
      if (options.list === true && targetOrNull(options, "hold") !== null)
        throw new GleanerError("COMMAND_INVALID", { problem: "--list takes no target", command: "hold" });
      return withClients(options.address, (clients) =>
        options.list === true ? list(cli, clients, options) : place(cli, clients, options),
      );
    });
}

async function list(cli: Cli, { owners }: Clients, { json }: Options): Promise<void> {
  const holds = (await owners.listHolds({})).holds.map(holdFromProto);
  if (json === true) cli.printJson({ holds });
  else if (holds.length === 0) cli.note("no hold stands");
  else cli.print(holdTable(cli.paint, holds));
}

async function place(cli: Cli, { owners }: Clients, options: Options): Promise<void> {
  const { hold: message } = await owners.hold({
    target: targetToProto(targetOf(options, "hold")),
    ttlMs: options.ttl,
    reason: options.reason,
    recall: options.recall === true,
  });
  if (message === undefined) return;
  const hold = holdFromProto(message);
  if (options.json === true) cli.printJson(hold);
  else cli.print(holdTable(cli.paint, [hold]));
}

const help = `
Examples:
  $ gleaner hold --fleet --reason "driver upgrade" --recall
  $ gleaner hold --pool render --ttl 2h
  $ gleaner hold --list
`;
