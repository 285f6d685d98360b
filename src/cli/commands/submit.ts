import { Command, Option } from "commander";
import { guestFromProto } from "../../api/convert/guest.ts";
import type { GuestView } from "../../api/ports.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { Refusal, SubmitRequest } from "../../gen/gleaner/v1/guests.ts";
import type { Cli } from "../cli.ts";
import { withClients, type Clients } from "../connect.ts";
import { exitCodes } from "../exit-codes.ts";
import { followGuests } from "../follow.ts";
import { readGuestFile, submissionsOf } from "../guest-file.ts";
import { addressOption, collect, countOption, jsonOption, numberOption } from "../options.ts";
import { plural } from "../table.ts";

/** What the controller takes in one call. */
const batchMax = 1_000;

interface Options {
  readonly address: string;
  readonly file?: string;
  readonly wait?: boolean;
  readonly watch?: boolean;
  readonly json?: boolean;
  readonly env?: readonly string[];
  readonly label?: readonly string[];
  readonly pool?: readonly string[];
  readonly memory?: number;
  readonly workdir?: string;
  readonly [entryField: string]: unknown;
}

export function command(cli: Cli): Command {
  return new Command("submit")
    .description(
      `Hands in guests: one command line after "--", or a YAML or JSON file of many. A guest is durable once its id is
printed: it is never lost and ends exactly once, however often it is evicted on the way.`,
    )
    .argument("[command...]", "program and arguments; no shell is added")
    .option("-f, --file <path>", "file of guests: one, a list, or several documents; - is stdin")
    .option("--tenant <name>", "whose guest it is; tenants take fair turns")
    .option("--name <text>", "for people")
    .addOption(countOption("--count <n>", "hand in so many of it"))
    .option("--key <text>", "the same key and guest again is not a second guest")
    .addOption(countOption("--devices <n>", "whole devices on one host, all or none"))
    .addOption(numberOption("--share <x>", "part of one device, above 0 and at most 1", 0.001, 1))
    .addOption(countOption("--memory <MiB>", "device memory needed on each device", 0))
    .option("--model <name>", "only devices of this model")
    .option("--pool <name>", "only this pool; may be given several times", collect)
    .addOption(
      new Option("--kind <kind>", "batch runs to an end, inference serves").choices(["batch", "inference"]),
    )
    .addOption(numberOption("--priority <n>", "0 to 100, higher first within the tenant", 0, 100))
    .addOption(countOption("--retries <n>", "put back so often after a failure", 0))
    .addOption(countOption("--evictions-max <n>", "end as failed after so many evictions", 0))
    .option("--checkpoint-interval <duration>", "how often the guest writes a checkpoint by itself")
    .option("--start <duration>", "how long it needs before its work begins")
    .option("--notice <duration>", "time between SIGTERM and SIGKILL that it would like")
    .option(
      "--duration-hint <duration>",
      "how long it runs if nothing disturbs it; helps placement, never a limit",
    )
    .option("--not-before <time>", "ISO 8601; not started earlier")
    .option("--trust-group <name>", "whose guests may share a device with it")
    .option("--workdir <dir>", "absolute directory on the host; default: the attempt's own")
    .option("--env <NAME=value>", "environment variable; may be given several times", collect)
    .option("--label <name=value>", "label; may be given several times", collect)
    .option("--wait", "stay until all have ended; exits 1 if one failed")
    .option("--watch", "as --wait, with a line for each change")
    .addOption(addressOption(cli))
    .addOption(jsonOption("print the accepted guests as JSON; with --watch a line for each change"))
    .addHelpText("after", help)
    .action(async (words: string[], options: Options) => {
      const requests = requestsOf(words, options);
      await withClients(options.address, async (clients) => {
        const accepted = await submitAll(cli, clients, requests, options.json === true);
        if (options.wait === true || options.watch === true)
          await followGuests(cli, clients, accepted, {
            eachChange: options.watch === true,
            json: options.json === true,
          });
      });
    });
}

function requestsOf(words: readonly string[], options: Options): SubmitRequest[] {
  if (options.file !== undefined) {
    if (words.length > 0) throw usage("give a command line or --file, not both");
    return readGuestFile(options.file);
  }
  if (words.length === 0) throw usage('no command line: write it after "--", or give --file');
  if (options["tenant"] === undefined) throw usage("--tenant is missing: say whose guest it is");
  const {
    address: _,
    file: __,
    wait: ___,
    watch: ____,
    json: _____,
    env,
    label,
    pool,
    memory,
    workdir,
    ...rest
  } = options;
  const entry = {
    ...rest,
    command: words,
    ...(env && { env: pairs(env, "--env") }),
    ...(label && { labels: pairs(label, "--label") }),
    ...(pool && { pools: pool }),
    ...(memory !== undefined && { memoryMib: memory }),
    ...(workdir !== undefined && { workingDir: workdir }),
  };
  return submissionsOf(entry, "command line");
}

function pairs(texts: readonly string[], option: string): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw usage(`${option} ${text}: use NAME=value`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function usage(problem: string): GleanerError {
  return new GleanerError("COMMAND_INVALID", { problem, command: "submit" });
}

/** Each guest is accepted or refused by itself; refusals are told at once and make the command fail. */
async function submitAll(
  cli: Cli,
  { guests }: Clients,
  requests: readonly SubmitRequest[],
  json: boolean,
): Promise<GuestView[]> {
  const accepted: GuestView[] = [];
  const refusals: Refusal[] = [];
  for (let at = 0; at < requests.length; at += batchMax) {
    const { results } = await guests.submitBatch({ requests: requests.slice(at, at + batchMax) });
    for (const [index, { outcome }] of results.entries()) {
      if (outcome?.$case === "refused") refusals.push(outcome.value);
      else if (outcome?.value.guest !== undefined) {
        const guest = guestFromProto({ ...outcome.value.guest, spec: requests[at + index]?.spec });
        accepted.push(guest);
        if (!json) cli.print(`${guest.id}${outcome.value.created ? "" : "  (known already by its key)"}`);
      }
    }
    if (!json && requests.length > batchMax)
      cli.note(`${at + results.length} of ${plural(requests.length, "guest")} sent`);
  }
  if (json) cli.printJson({ guests: accepted, refused: refusals });
  for (const { code, message, remedy } of json ? [] : refusals)
    cli.note(`error ${code}: ${message}\nwhat to do: ${remedy}`);
  if (refusals.length > 0)
    process.exitCode = refusals.some(({ code }) => code.startsWith("INVALID"))
      ? exitCodes.badInput
      : exitCodes.refused;
  return accepted;
}

const help = `
Examples:
  $ gleaner submit --tenant research --name sweep-1 -- python train.py --lr 0.1
  $ gleaner submit --tenant vision --share 0.25 --memory 8000 --count 20 --wait -- ./label-images
  $ gleaner submit -f guests.yaml

A guest file (durations as 30s, 5m, 2h; everything but tenant and command may be left out):
  tenant: research
  name: sweep-1
  command: [python, train.py, --lr, 0.1]
  env: { WANDB_MODE: offline }
  devices: 2
  checkpointInterval: 5m
  durationHint: 3h
  retries: 2
  key: sweep-1          # submitting again is not a second guest
Fields: tenant name kind command workingDir image env devices share memoryMib model pools priority
checkpointInterval start notice durationHint retries evictionsMax notBefore trustGroup labels key count

What the guest sees: SIGTERM is the notice to checkpoint and leave. Exit 0: done. Exit 85: checkpointed, put me back;
without a notice it counts against --evictions-max, like an eviction. Anything else counts against --retries.
GLEANER_CHECKPOINT_DIR is kept from one attempt to the next.
`;
