import { Command } from "commander";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { addressOption, countOption, jsonOption } from "../options.ts";
import { plural } from "../table.ts";

interface Options {
  readonly address: string;
  readonly follow?: boolean;
  readonly attempt?: number;
  readonly tail?: number;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  return new Command("logs")
    .description("Shows what a guest printed, both streams in one, from the host that ran the attempt.")
    .argument("<id>", "guest")
    .option("-f, --follow", "stay, and show what comes until the attempt ends")
    .addOption(countOption("--tail <bytes>", "only the last bytes"))
    .addOption(countOption("--attempt <n>", "of this attempt; default: the latest"))
    .addOption(addressOption(cli))
    .addOption(jsonOption("print a JSON line for each piece"))
    .addHelpText("after", help)
    .action((id: string, options: Options) =>
      withClients(options.address, async ({ guests }) => {
        const request = {
          id,
          attempt: options.attempt ?? 0,
          tailBytes: options.tail ?? 0,
          follow: options.follow === true,
        };
        for await (const { data, attempt, droppedBytes } of guests.logs(request)) {
          if (options.json === true) {
            cli.printJson({ attempt, droppedBytes, text: Buffer.from(data).toString("utf8") });
            continue;
          }
          if (droppedBytes > 0)
            cli.note(`(${plural(droppedBytes, "byte")} dropped here: the log's size is limited)`);
          process.stdout.write(data);
        }
      }),
    );
}

const help = `
Examples:
  $ gleaner logs g-000123
  $ gleaner logs g-000123 --follow
  $ gleaner logs g-000123 --attempt 1 --tail 2000
`;
