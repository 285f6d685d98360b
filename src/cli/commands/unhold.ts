import type { Command } from "commander";
import { holdFromProto } from "../../api/convert/target.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { UnholdRequest } from "../../gen/gleaner/v1/owners.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { targetInWords } from "../hold-table.ts";
import { targetOrNull } from "../options.ts";
import { ownerCommand, targetMessage, type OwnerOptions } from "../owner-command.ts";

export function command(cli: Cli): Command {
  return ownerCommand(cli, "unhold", {
    description: "Ends one hold by its id, or all holds of exactly this target.",
    targets: "end the holds on",
    examples: ["unhold --fleet", "unhold h-12"],
  })
    .argument("[id]", "hold, as `gleaner hold --list` shows it")
    .action((id: string | undefined, options: OwnerOptions) => {
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

function whichOf(id: string | undefined, options: OwnerOptions): UnholdRequest["which"] {
  if (id === undefined) return { $case: "target", value: targetMessage(options, "unhold") };
  if (targetOrNull(options, "unhold") === null) return { $case: "id", value: id };
  throw new GleanerError("COMMAND_INVALID", {
    problem: "give an id or a target, not both",
    command: "unhold",
  });
}
