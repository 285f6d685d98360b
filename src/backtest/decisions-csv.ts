import type { DeviceDecision } from "./replay/device-replay.ts";
import type { PoolDecision } from "./replay/pool-replay.ts";
import { writeText } from "./write-text.ts";

const reasonPattern = /^[a-z0-9_]*$/;

/** Writes `time_s,device,action,reason` or `time_s,pool,lent,reason`, in order of time. Throws FILE_UNWRITABLE. */
export async function writeDeviceDecisions(
  path: string,
  decisions: readonly DeviceDecision[],
): Promise<void> {
  await write(
    path,
    "time_s,device,action,reason",
    decisions,
    ({ timeS, device, action }) => `${timeS},${device},${action}`,
  );
}

export async function writePoolDecisions(path: string, decisions: readonly PoolDecision[]): Promise<void> {
  await write(
    path,
    "time_s,pool,lent,reason",
    decisions,
    ({ timeS, pool, lent }) => `${timeS},${pool},${lent}`,
  );
}

async function write<Decision extends { readonly reason: string }>(
  path: string,
  header: string,
  decisions: readonly Decision[],
  toText: (decision: Decision) => string,
): Promise<void> {
  function* lines() {
    yield `${header}\n`;
    for (const decision of decisions) {
      if (!reasonPattern.test(decision.reason))
        throw new Error(`a policy gives the reason ${JSON.stringify(decision.reason)}`);
      yield `${toText(decision)},${decision.reason}\n`;
    }
  }
  await writeText(path, lines());
}
