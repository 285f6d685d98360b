import { CommanderError } from "commander";
import { GleanerError, asGleanerError } from "../errors/gleaner-error.ts";
import { exitCodeOf, exitCodes } from "./exit-codes.ts";

/**
 * Tells a person (or, with `json`, a program) on stderr what went wrong and what to do; answers with the exit code.
 * The stack of a defect is shown, since its reader is asked to report it.
 */
export function tellFailure(thrown: unknown, command: string, json: boolean): number {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.ok;
  const error = thrown instanceof CommanderError ? usageError(thrown, command) : asGleanerError(thrown);
  const { code, message, remedy, field } = error;
  if (json)
    process.stderr.write(
      `${JSON.stringify({ error: { code, message, remedy, ...(field && { field }) } })}\n`,
    );
  else process.stderr.write(`error ${code}: ${message}\nwhat to do: ${remedy}\n`);
  if (code === "INTERNAL" && error.cause instanceof Error) process.stderr.write(`${error.cause.stack}\n`);
  return exitCodeOf(error.status);
}

/** commander's sentences begin with "error: " and may hold a suggestion on a second line. */
function usageError(thrown: CommanderError, command: string): GleanerError {
  const problem = thrown.message.replace(/^error: /, "").replaceAll("\n", " ");
  return new GleanerError("COMMAND_INVALID", { problem, command }, { cause: thrown });
}
