import { Command } from "commander";
import { holdFromProto, targetToProto } from "../../api/convert/target.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { UnholdRequest } from "../../gen/gleaner/v1/owners.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { targetInWords } from "../hold-table.ts";
import {
  addressOption,
  addTargetOptions,
  jsonOption,
  targetOf,
  targetOrNull,
  type TargetOptions,
} from "../options.ts";

interface Options extends TargetOptions {
  readonly address: string;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  const unhold = new Command("unhold")
    .description("Ends one hold by its id, or all holds of exactly this target.")
    .argument("[id]", "hold, as `gleaner hold --list` shows it");
  return addTargetOptions(unhold, "end the holds on")
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .addHelpText("after", help)
    .action((id: string | undefined, options: Options) => {
      const which = whichOf(id, options);
      return withClients(options.address, async ({ owners }) => {
        const ended = (await owners.unhold({ which })).ended.map(holdFromProto);
        if (options.json === true) cli.printJson({ ended });
        for (const hold of options.json === true ? [] : ended)
          cli.print(`ended  ${hold.id}  ${targetInWords(hold.target)}  ${hold.reason}`);
        if (ended.length === 0) cli.note("no hold stood there");
      });
    });
}

function whichOf(id: string | undefined, options: Options): UnholdRequest["which"] {
  if (id === undefined) return { $case: "target", value: targetToProto(targetOf(options, "unhold")) };
  if (targetOrNull(options, "unhold") === null) return { $case: "id", value: id };
  throw new GleanerError("COMMAND_INVALID", {
    problem: "give an id or a target, not both",
    command: "unhold",
  });
}

const help = `
Examples:
  $ gleaner unhold --fleet
  $ gleaner unhold h-12
`;
