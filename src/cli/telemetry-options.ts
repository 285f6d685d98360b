import type { Command } from "commander";
import type { Settings } from "../config/settings.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import { openDcgm } from "../telemetry/dcgm.ts";
import { openReplay } from "../telemetry/replay.ts";
import type { TelemetrySource } from "../telemetry/source.ts";
import { collect, countOption, numberOption } from "./options.ts";

export interface TelemetryOptions {
  readonly telemetry: readonly string[];
  readonly pool?: string;
  readonly speed?: number;
  readonly part?: string;
  readonly devices?: number;
  readonly startAt?: number;
  readonly loop?: boolean;
}

export function addTelemetryOptions(command: Command): Command {
  return command
    .requiredOption(
      "--telemetry <source>",
      "dcgm:URL[,URL…] of dcgm-exporters, may be given several times; or replay:FILE, a trace",
      collect,
    )
    .option("--pool <name>", "pool of this host's devices; default: as the trace says, else default")
    .addOption(numberOption("--speed <factor>", "replay: so many times as fast; default 1", 0.001))
    .option("--part <i/n>", "replay: every n-th device, from the i-th on")
    .addOption(countOption("--devices <n>", "replay: the first n devices only, before they are parted"))
    .addOption(
      countOption(
        "--start-at <ms>",
        "replay: Unix time of its first sample, so that several agents keep step",
      ),
    )
    .option("--loop", "replay: begin again at the end");
}

/** What `--telemetry` and the options that belong to it name. Throws COMMAND_INVALID and what the sources throw. */
export function openTelemetry(
  options: TelemetryOptions & { readonly host: string },
  { telemetry }: Pick<Settings, "telemetry">,
  log: Logger,
): Promise<TelemetrySource> | TelemetrySource {
  const { pool, host } = options;
  const [first = "", ...others] = options.telemetry;
  if (first.startsWith("replay:")) {
    if (others.length > 0) throw usage("a replay is an agent's only telemetry");
    const inPart = partOf(options.part);
    return openReplay({
      path: first.slice("replay:".length),
      speed: options.speed ?? 1,
      hostOf: (index) => (inPart(index) ? host : null),
      loop: options.loop === true,
      clock: systemClock,
      log,
      ...(options.devices !== undefined && { devices: options.devices }),
      ...(options.startAt !== undefined && { startAtWallMs: options.startAt }),
      ...(pool !== undefined && { poolOf: () => pool }),
    });
  }
  const replayOption = (["speed", "part", "devices", "startAt", "loop"] as const).find(
    (name) => options[name] !== undefined,
  );
  if (replayOption !== undefined) throw usage(`--${replayOption.replace("A", "-a")} is for a replay`);
  return openDcgm({
    ...telemetry,
    urls: options.telemetry.flatMap(dcgmUrls),
    poolOf: () => pool ?? "default",
    clock: systemClock,
    log,
  });
}

function dcgmUrls(text: string): string[] {
  const [kind, ...rest] = text.split(":");
  if (kind === "dcgm" && rest.length > 0) return rest.join(":").split(",");
  throw usage(`--telemetry ${text}: use dcgm:URL[,URL…] or replay:FILE`);
}

/** `2/3`: is the n-th device, from 0, in the second of three parts? */
function partOf(part: string | undefined): (index: number) => boolean {
  if (part === undefined) return () => true;
  const [, i, n] = /^(\d+)\/(\d+)$/.exec(part) ?? [];
  if (Number(i) >= 1 && Number(i) <= Number(n)) return (index) => index % Number(n) === Number(i) - 1;
  throw usage(`--part ${part}: use I/N with I from 1 to N`);
}

function usage(problem: string): GleanerError {
  return new GleanerError("COMMAND_INVALID", { problem, command: "agent" });
}
