import { Command } from "commander";
import { guestFromProto } from "../../api/convert/guest.ts";
import type { Explanation } from "../../api/ports.ts";
import type { ExplainResponse } from "../../gen/gleaner/v1/guests.ts";
import { Guest } from "../../gen/gleaner/v1/guests.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { formatDuration } from "../duration.ts";
import { paintState } from "../guest-table.ts";
import { addressOption, jsonOption } from "../options.ts";
import { plural } from "../table.ts";

interface Options {
  readonly address: string;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  return new Command("explain")
    .description(
      "Says why a guest waits: for what, since when, at which place, and what stands in the way on how many devices.",
    )
    .argument("<id>", "guest")
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .addHelpText("after", help)
    .action((id: string, options: Options) =>
      withClients(options.address, async ({ guests }) => {
        const answer = explanationOf(await guests.explain({ id }));
        if (options.json === true) cli.printJson(answer);
        else cli.print(inWords(cli, answer));
      }),
    );
}

function explanationOf({ guest, waitingSince, ...rest }: ExplainResponse): Explanation {
  return {
    ...rest,
    guest: guestFromProto(guest ?? Guest.create()),
    waitingSinceMs: waitingSince?.getTime() ?? 0,
  };
}

function inWords({ paint }: Cli, answer: Explanation): string {
  const { guest, obstacles } = answer;
  const lines = [
    `${guest.id}  ${guest.spec.tenant}  ${paintState(paint, guest.state)}`,
    answer.reason || guest.reason,
  ];
  if (guest.state === "waiting") {
    lines.push(
      `waits since ${formatDuration(Math.max(0, Date.now() - answer.waitingSinceMs))}, place ${answer.placeInTenant} of ` +
        `${guest.spec.tenant}'s; ${plural(answer.waitingTotal, "guest")} wait${answer.waitingTotal === 1 ? "s" : ""} in all`,
      `turn: ${Math.round(answer.tenantDeviceSeconds)} device-seconds of late, weight ${answer.tenantWeight}`,
    );
    for (const { reasonCode, reason, devices } of obstacles)
      lines.push(`  ${plural(devices, "device").padEnd(12)} ${reason} ${paint.dim(`(${reasonCode})`)}`);
  }
  if (guest.devices.length > 0) lines.push(`on ${guest.host}: ${guest.devices.join(", ")}`);
  lines.push(
    `${plural(guest.attempts, "run")}, ${plural(guest.evictions, "eviction")}, ${plural(guest.failures, "failure")}`,
  );
  return lines.filter((line) => line !== "").join("\n");
}

const help = `
Examples:
  $ gleaner explain g-000123
  $ gleaner explain g-000123 --json
docs/reasons.md says what each reason's word means.
`;
