import { pino, type DestinationStream, type Logger } from "pino";
import picocolors from "picocolors";
import { GleanerError } from "../errors/gleaner-error.ts";

export type { Logger } from "pino";

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  /** The process or part that speaks: `controller`, `agent`. */
  readonly name: string;
  readonly level: LogLevel;
  /** Lines for a person instead of JSON. Default: when stderr is a terminal. */
  readonly pretty?: boolean;
  /** Default: stderr. */
  readonly stream?: DestinationStream;
}

/** Throws CONFIG_INVALID. `source` names where the text came from, for instance `GLEANER_LOG`. */
export function parseLogLevel(text: string, source: string): LogLevel {
  const level = logLevels.find((known) => known === text);
  if (level !== undefined) return level;
  throw new GleanerError("CONFIG_INVALID", {
    source,
    field: "level",
    problem: `${JSON.stringify(text)} is none of ${logLevels.join(", ")}`,
    command: "controller",
  });
}

/**
 * Logs go to stderr, so that stdout stays the answer; written at once, so that the last line before a crash is there.
 * A decision is one line, with `reason` among its fields.
 */
export function createLogger({ name, level, pretty, stream }: LoggerOptions): Logger {
  const destination = stream ?? pino.destination({ dest: 2, sync: true });
  const forPerson = pretty ?? (stream === undefined && process.stderr.isTTY);
  return pino(
    {
      name,
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    forPerson ? { write: (line: string) => destination.write(prettyLine(line)) } : destination,
  );
}

function serializeError(thrown: unknown): unknown {
  if (thrown instanceof GleanerError)
    return {
      code: thrown.code,
      message: thrown.message,
      remedy: thrown.remedy,
      ...(thrown.cause === undefined ? {} : { cause: serializeError(thrown.cause) }),
    };
  return thrown instanceof Error ? pino.stdSerializers.err(thrown) : thrown;
}

const paintLevel: Readonly<Record<string, (text: string) => string>> = {
  trace: picocolors.dim,
  debug: picocolors.dim,
  info: picocolors.green,
  warn: picocolors.yellow,
  error: picocolors.red,
  fatal: picocolors.red,
};

/** `12:00:01.234 info  controller lent  guest=g-7 reason="…"` */
function prettyLine(line: string): string {
  const { time, level, name, msg, pid: _, hostname: __, ...fields } = JSON.parse(line) as LogLine;
  const paint = paintLevel[level] ?? String;
  const pairs = Object.entries(fields).map(([key, value]) => `${picocolors.dim(`${key}=`)}${plain(value)}`);
  const head = `${picocolors.dim(time.slice(11, 23))} ${paint(level.padEnd(5))} ${name}`;
  return `${[`${head} ${msg ?? ""}`, ...pairs].join("  ")}\n`;
}

interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly name: string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

function plain(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
