import { Command, Option } from "commander";
import { guestFromProto, guestStates } from "../../api/convert/guest.ts";
import type { GuestState } from "../../core/guest.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { guestStateNames, guestTable, isTerminal } from "../guest-table.ts";
import { addressOption, jsonOption, parseWhole } from "../options.ts";
import { plural } from "../table.ts";

interface Options {
  readonly address: string;
  readonly tenant: string;
  readonly state?: readonly GuestState[];
  readonly all?: boolean;
  readonly limit: number;
  readonly after: string;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  return new Command("jobs")
    .description(
      "Lists guests in the order in which they were handed in: those that have not ended, unless asked otherwise.",
    )
    .option("--tenant <name>", "only this tenant's", "")
    .addOption(new Option("--state <state...>", "only these states").choices(guestStateNames))
    .option("--all", "those that have ended too")
    .addOption(
      new Option("--limit <n>", "guests on one page, at most 1000")
        .default(100)
        .argParser((text) => parseWhole(text, 1)),
    )
    .option("--after <token>", "the page after the one that printed this token", "")
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .addHelpText("after", help)
    .action((options: Options) =>
      withClients(options.address, async ({ guests: service }) => {
        const { guests: messages, nextPageToken } = await service.list({
          tenant: options.tenant,
          states: statesOf(options).map((state) => guestStates.toWire(state)),
          pageSize: options.limit,
          pageToken: options.after,
        });
        const guests = messages.map(guestFromProto);
        if (options.json === true) cli.printJson({ guests, nextPageToken });
        else if (guests.length === 0) cli.note("no guests; `gleaner submit --help` says how to hand one in");
        else cli.print(guestTable(cli.paint, guests, Date.now()));
        if (nextPageToken !== "" && options.json !== true)
          cli.note(
            `${plural(guests.length, "guest")}; the next page: the same with --after ${nextPageToken}`,
          );
      }),
    );
}

function statesOf({ state, all }: Options): readonly GuestState[] {
  if (state !== undefined) return state;
  return all === true ? [] : guestStateNames.filter((name) => !isTerminal(name));
}

const help = `
Examples:
  $ gleaner jobs                                     what waits and what runs
  $ gleaner jobs --all --tenant research             everything of one tenant
  $ gleaner jobs --state failed --json               for a program
`;
