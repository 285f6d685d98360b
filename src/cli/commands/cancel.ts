import { Command } from "commander";
import { guestFromProto } from "../../api/convert/guest.ts";
import { asGleanerError } from "../../errors/gleaner-error.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { tellFailure } from "../failure.ts";
import { addressOption, jsonOption } from "../options.ts";

interface Options {
  readonly address: string;
  readonly reason: string;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  return new Command("cancel")
    .description(
      "Ends guests: a waiting one at once, a running one after its notice. An ended one stays as it is.",
    )
    .argument("<id...>", "guests")
    .option("--reason <text>", "kept with the guest", "")
    .addOption(addressOption(cli))
    .addOption(jsonOption("print a JSON line for each guest"))
    .addHelpText("after", help)
    .action((ids: string[], options: Options) =>
      withClients(options.address, async ({ guests }) => {
        for (const id of ids) {
          try {
            const { guest: message } = await guests.cancel({ id, reason: options.reason });
            if (message === undefined) continue;
            const guest = guestFromProto(message);
            if (options.json === true) cli.printJson(guest);
            else cli.print(`${guest.id}  ${guest.cancelling ? "cancelling" : guest.state}  ${guest.reason}`);
          } catch (thrown) {
            // One wrong id does not keep the others alive.
            if (asGleanerError(thrown).code !== "GUEST_NOT_FOUND") throw thrown;
            process.exitCode = tellFailure(thrown, "cancel", options.json === true);
          }
        }
      }),
    );
}

const help = `
Examples:
  $ gleaner cancel g-000123
  $ gleaner cancel g-000123 g-000124 --reason "wrong data"
`;
