import { isatty } from "node:tty";
import type { Command } from "commander";
import picocolors from "picocolors";
import type { Environment } from "./environment.ts";

export type Colors = ReturnType<typeof picocolors.createColors>;

/** What every command gets: the environment as main.ts read it, and where to speak. */
export interface Cli {
  readonly environment: Environment;
  /** What stood after `gleaner`. */
  readonly words: readonly string[];
  /** stdout is a terminal: colours, and lines that are redrawn in place. */
  readonly isTerminal: boolean;
  readonly paint: Colors;
  /** The answer, on stdout. */
  readonly print: (line: string) => void;
  /** One JSON value on one line, on stdout. */
  readonly printJson: (value: unknown) => void;
  /** What is not the answer, on stderr. */
  readonly note: (line: string) => void;
}

/** One file in src/cli/commands exports this. */
export interface CommandModule {
  command(cli: Cli): Command;
}

export function createCli(environment: Environment, words: readonly string[]): Cli {
  // Not `isTTY`, which a pipe does not have at all: without a word from us picocolors paints wherever CI is set.
  const isTerminal = isatty(1);
  return {
    environment,
    words,
    isTerminal,
    paint: picocolors.createColors(isTerminal && !environment.noColor),
    print: (line) => void process.stdout.write(`${line}\n`),
    printJson: (value) => void process.stdout.write(`${JSON.stringify(value)}\n`),
    note: (line) => void process.stderr.write(`${line}\n`),
  };
}
