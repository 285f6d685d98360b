import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { ownerCommand, targetMessage, type OwnerOptions } from "../owner-command.ts";
import { plural } from "../table.ts";

export function command(cli: Cli): Command {
  return ownerCommand(cli, "idle", {
    description:
      '"I am done": ends a busy hint, and a recall that has not vacated yet. Never overrides telemetry that sees work.',
    targets: "done with",
    examples: ["idle --pool render", "idle --device GPU-4f2a GPU-77c0"],
  }).action((options: OwnerOptions) => {
    const target = targetMessage(options, "idle");
    return withClients(options.address, async ({ owners }) => {
      const { hintsEnded, recallsWithdrawn } = await owners.idle({ target });
      if (options.json === true) cli.printJson({ hintsEnded, recallsWithdrawn });
      else cli.print(`${plural(hintsEnded, "hint")} ended, ${plural(recallsWithdrawn, "recall")} withdrawn`);
    });
  });
}
