import { Command } from "commander";
import { fleetFromProto } from "../../api/convert/report.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { fleetTable } from "../fleet-table.ts";
import { LiveScreen } from "../live-screen.ts";
import { addressOption, durationOption, jsonOption } from "../options.ts";

interface Options {
  readonly address: string;
  readonly interval: number;
  readonly once?: boolean;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  return new Command("top")
    .description(
      "Watches the fleet: each device, what its owner does, what it is lent for or why it is not. Ctrl-C leaves.",
    )
    .addOption(
      durationOption("--interval <duration>", "how often it looks; 100ms to 1m").default(1_000, "1s"),
    )
    .option("--once", "one look; so it is wherever stdout is no terminal")
    .addOption(addressOption(cli))
    .addOption(jsonOption("print one look as JSON; a JSON line each time with --interval"))
    .addHelpText("after", help)
    .action(async (options: Options, self: Command) => {
      const stays = options.json === true ? self.getOptionValueSource("interval") === "cli" : cli.isTerminal;
      const screen = new LiveScreen();
      await withClients(options.address, async ({ reports }) => {
        for await (const message of reports.watchFleet({ intervalMs: options.interval })) {
          const view = fleetFromProto(message);
          if (options.json === true) cli.printJson(view);
          else if (stays && options.once !== true) screen.show(fleetTable(cli.paint, view, screen.rows));
          else cli.print(fleetTable(cli.paint, view, Infinity));
          if (!stays || options.once === true) break;
        }
      });
    });
}

const help = `
Examples:
  $ gleaner top
  $ gleaner top --once
  $ gleaner top --json | jq '.devices[] | select(.owner == "idle") | .reason'
`;
