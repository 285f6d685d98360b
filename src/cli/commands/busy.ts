import { Option, type Command } from "commander";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { durationOption } from "../options.ts";
import { ownerCommand, targetMessage, type OwnerOptions } from "../owner-command.ts";
import { plural } from "../table.ts";

interface Options extends OwnerOptions {
  readonly ttl?: number;
  readonly reason: string;
}

export function command(cli: Cli): Command {
  return ownerCommand(cli, "busy", {
    description:
      '"I am about to work": guests there are paused, and nothing is lent there until the hint ends.',
    targets: "about to work on",
    options: [
      durationOption(
        "--ttl <duration>",
        "how long the hint holds unless it is renewed; default 1m, at most 1d",
      ),
      new Option("--reason <text>", "kept in the books").default(""),
    ],
    examples: ['busy --pool render --ttl 2h --reason "deadline week"', "busy --device GPU-4f2a"],
  }).action((options: Options) => {
    const target = targetMessage(options, "busy");
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
