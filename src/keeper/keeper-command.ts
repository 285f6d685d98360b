import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("keeper.sh", import.meta.url));

/**
 * The command line of a keeper: a small shell process that starts the agent of `agentDir` by `command`, starts it again when it
 * dies, and ends guests whose time is over where the agent does not. An agent that is told to stop has `patienceMs`.
 */
export function keeperCommand(
  agentDir: string,
  patienceMs: number,
  command: readonly string[],
): [file: string, ...args: string[]] {
  return ["/bin/sh", script, agentDir, String(Math.ceil(patienceMs / 1_000)), ...command];
}
