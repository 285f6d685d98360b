import { InvalidArgumentError, Option, type Command } from "commander";
import { defaults } from "../config/defaults.ts";
import type { Target } from "../core/target.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Cli } from "./cli.ts";
import { parseDurationMs } from "./duration.ts";

/** Options that several commands share, and the parsers of their arguments. */

export function addressOption(cli: Cli): Option {
  return new Option("--address <host:port>", "controller to call; of several, all with commas between")
    .default(cli.environment.address ?? defaults.listen.apiAddress)
    .argParser(parseAddresses);
}

export function jsonOption(what = "print JSON"): Option {
  return new Option("--json", what);
}

export function durationOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseDuration);
}

export function countOption(flags: string, description: string, least = 1): Option {
  return new Option(flags, description).argParser((text) => parseWhole(text, least));
}

export function numberOption(flags: string, description: string, least: number, most = Infinity): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      most === Infinity ? `Use a number from ${least} on.` : `Use a number from ${least} to ${most}.`,
    );
  });
}

export function shareOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (value > 0 && value <= 1) return value;
    throw new InvalidArgumentError("Use a number above 0, up to 1.");
  });
}

export function parseAddress(text: string): string {
  return checkAddress(text, 1);
}

/** One or more, with commas between. */
export function parseAddresses(text: string): string {
  return text.split(",").map(parseAddress).join(",");
}

/** Port 0: any that is free. */
export function parseListenAddress(text: string): string {
  return checkAddress(text, 0);
}

function checkAddress(text: string, portMin: number): string {
  const port = /^(?:\[[0-9a-fA-F:]+\]|[^\s:[\]]+):(\d{1,5})$/.exec(text)?.[1];
  if (port !== undefined && Number(port) >= portMin && Number(port) <= 65_535) return text;
  throw new InvalidArgumentError("Use HOST:PORT, for instance 127.0.0.1:7070.");
}

export function parseDuration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== null) return ms;
  throw new InvalidArgumentError("Use a duration, for instance 250ms, 30s, 5m, 2h or 1h30m.");
}

export function parseWhole(text: string, least = 0): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new InvalidArgumentError(`Use a whole number from ${least} on.`);
}

/** An instant: ISO 8601, or a duration ago (`2h`). */
export function parseInstant(text: string): Date {
  const agoMs = parseDurationMs(text);
  const atMs = agoMs === null ? Date.parse(text) : Date.now() - agoMs;
  if (!Number.isNaN(atMs)) return new Date(atMs);
  throw new InvalidArgumentError("Use a time such as 2026-01-31T12:00:00Z, or how long ago, such as 2h.");
}

/** For options that may be given several times. */
export function collect(text: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

export interface TargetOptions {
  readonly device?: readonly string[];
  readonly pool?: string;
  readonly count?: number;
  readonly fleet?: boolean;
}

export function addTargetOptions(command: Command, whatFor: string, withCount = false): Command {
  command
    .option("--device <uuid...>", `${whatFor} these devices`)
    .option("--pool <name>", `${whatFor} a pool`);
  if (withCount)
    command.addOption(countOption("--count <n>", "of the pool only so many: those that lose least"));
  return command.option("--fleet", `${whatFor} the whole fleet`);
}

/** Exactly one target must be named: nothing is taken back or held by omission. */
export function targetOf(options: TargetOptions, command: string): Target {
  const target = targetOrNull(options, command);
  if (target !== null) return target;
  throw new GleanerError("COMMAND_INVALID", {
    problem: "no target: name --device UUID…, --pool NAME or --fleet",
    command,
  });
}

export function targetOrNull(options: TargetOptions, command: string): Target | null {
  const { device, pool, count, fleet } = options;
  const named = [device, pool, fleet].filter((given) => given !== undefined).length;
  if (named > 1 || (count !== undefined && pool === undefined))
    throw new GleanerError("COMMAND_INVALID", {
      problem: named > 1 ? "name one of --device, --pool and --fleet" : "--count needs --pool",
      command,
    });
  if (device !== undefined) return { kind: "devices", uuids: device };
  if (pool !== undefined) return { kind: "pool", pool, devices: count ?? 0 };
  return fleet === true ? { kind: "fleet" } : null;
}
