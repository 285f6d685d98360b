import { Command } from "commander";
import { targetToProto } from "../../api/convert/target.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { addressOption, addTargetOptions, jsonOption, targetOf, type TargetOptions } from "../options.ts";
import { plural } from "../table.ts";

interface Options extends TargetOptions {
  readonly address: string;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  const idle = new Command("idle").description(
    '"I am done": ends a busy hint, and a recall that has not vacated yet. Never overrides telemetry that sees work.',
  );
  return addTargetOptions(idle, "done with")
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .addHelpText("after", help)
    .action((options: Options) => {
      const target = targetToProto(targetOf(options, "idle"));
      return withClients(options.address, async ({ owners }) => {
        const { hintsEnded, recallsWithdrawn } = await owners.idle({ target });
        if (options.json === true) cli.printJson({ hintsEnded, recallsWithdrawn });
        else
          cli.print(`${plural(hintsEnded, "hint")} ended, ${plural(recallsWithdrawn, "recall")} withdrawn`);
      });
    });
}

const help = `
Examples:
  $ gleaner idle --pool render
  $ gleaner idle --device GPU-4f2a GPU-77c0
`;
