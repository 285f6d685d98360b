import { Command } from "commander";
import { targetToProto } from "../../api/convert/target.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import {
  addressOption,
  addTargetOptions,
  durationOption,
  jsonOption,
  targetOf,
  type TargetOptions,
} from "../options.ts";
import { plural } from "../table.ts";

interface Options extends TargetOptions {
  readonly address: string;
  readonly ttl?: number;
  readonly reason: string;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  const busy = new Command("busy").description(
    '"I am about to work": guests there are paused, and nothing is lent there until the hint ends.',
  );
  return addTargetOptions(busy, "about to work on")
    .addOption(
      durationOption(
        "--ttl <duration>",
        "how long the hint holds unless it is renewed; default 1m, at most 1d",
      ),
    )
    .option("--reason <text>", "kept in the books", "")
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .addHelpText("after", help)
    .action((options: Options) => {
      const target = targetToProto(targetOf(options, "busy"));
      return withClients(options.address, async ({ owners }) => {
        const answer = await owners.busy({ target, ttlMs: options.ttl, reason: options.reason });
        const expires = answer.expiresAt?.toISOString() ?? null;
        if (options.json === true) cli.printJson({ devicesPaused: answer.devicesPaused, expiresAt: expires });
        else
          cli.print(
            `guests on ${plural(answer.devicesPaused, "device")} are being paused; the hint ends at ${expires}`,
          );
      });
    });
}

const help = `
Examples:
  $ gleaner busy --pool render --ttl 2h --reason "deadline week"
  $ gleaner busy --device GPU-4f2a
`;
