import { GleanerError } from "../../errors/gleaner-error.ts";

/** The number after a policy's colon, from 0 on. Throws COMMAND_INVALID. */
export function numberArgument(argument: string | null, policy: string, example: number): number {
  const value = argument === null || argument.trim() === "" ? NaN : Number(argument);
  if (value >= 0 && value < Infinity) return value;
  throw new GleanerError("COMMAND_INVALID", {
    problem: `the policy ${policy} needs a number from 0 on, such as ${policy}:${example}`,
    command: "backtest",
  });
}

/** For policies without one. Throws COMMAND_INVALID. */
export function noArgument(argument: string | null, policy: string): void {
  if (argument === null) return;
  throw new GleanerError("COMMAND_INVALID", {
    problem: `the policy ${policy} takes nothing after a colon`,
    command: "backtest",
  });
}
