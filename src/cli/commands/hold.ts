import { Option, type Command } from "commander";
import { holdFromProto } from "../../api/convert/target.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Cli } from "../cli.ts";
import { withClients, type Clients } from "../connect.ts";
import { holdTable } from "../hold-table.ts";
import { durationOption, targetOrNull } from "../options.ts";
import { ownerCommand, targetMessage, type OwnerOptions } from "../owner-command.ts";

interface Options extends OwnerOptions {
  readonly ttl?: number;
  readonly reason: string;
  readonly recall?: boolean;
  readonly list?: boolean;
}

export function command(cli: Cli): Command {
  return ownerCommand(cli, "hold", {
    description: `Nothing new is lent there until the hold ends; --fleet is the one switch that stops all lending. What is lent stays
unless --recall takes it back. Holds add up: lending needs all of them gone.`,
    targets: "hold",
    options: [
      durationOption("--ttl <duration>", "ends by itself after so long; default: until `gleaner unhold`"),
      new Option(
        "--reason <text>",
        "shown wherever the hold stands in the way; with the target it names the hold",
      ).default(""),
      new Option("--recall", "also take back what is lent there, with the pool's deadline"),
      new Option("--list", "list the holds that stand"),
    ],
    examples: [
      'hold --fleet --reason "driver upgrade" --recall',
      "hold --pool render --ttl 2h",
      "hold --list",
    ],
  }).action((options: Options) => {
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
    target: targetMessage(options, "hold"),
    ttlMs: options.ttl,
    reason: options.reason,
    recall: options.recall === true,
  });
  if (message === undefined) return;
  const hold = holdFromProto(message);
  if (options.json === true) cli.printJson(hold);
  else cli.print(holdTable(cli.paint, [hold]));
}
