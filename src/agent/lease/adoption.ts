import type { Cause } from "../../core/ladder-state.ts";
import type { Logger } from "../../runtime/log.ts";
import { attemptName, type LeaseDirs } from "../disk/lease-dirs.ts";
import type { LeaseRecord } from "../disk/lease-record.ts";
import type { RenewalFile } from "../disk/renewal-file.ts";
import type { HostClock } from "../host-clock.ts";
import type { ProcessGroup, Runtime } from "../runtime/process-group.ts";
import { LeaseRunner, type RunnerHost } from "./lease-runner.ts";
import type { Leftovers } from "./leftovers.ts";
import type { LeaseTable } from "./lease-table.ts";

interface AdoptionParts {
  readonly table: LeaseTable;
  readonly dirs: LeaseDirs;
  readonly runtime: Runtime;
  readonly runnerHost: RunnerHost;
  readonly clock: HostClock;
  readonly logger: Logger;
  readonly renewals: RenewalFile;
  readonly leftovers: Leftovers;
}

/**
 * Takes up what the agent's directory and the host say of an earlier agent: what still runs goes on, what ended meanwhile is
 * finished, what nobody knows is killed. Answers with the attempts of which nothing is left to say, oldest first.
 */
export async function adoptLeases(parts: AdoptionParts): Promise<Pick<LeaseRecord, "guestId" | "attempt">[]> {
  const { dirs, table, runnerHost, logger, runtime } = parts;
  const ended: LeaseRecord[] = [];
  const records = dirs.loadAll((err) =>
    logger.error({ err }, "a lease's state is left out; its processes are killed"),
  );
  for (const record of records) {
    const over = record.lastStep?.state === "released";
    if (over && record.unacknowledged.length === 0) {
      ended.push(record);
      continue;
    }
    const runner = new LeaseRunner(record, dirs.pathsOf(record), runnerHost);
    table.add(runner);
    if (!over) await takeUp(parts, runner);
  }
  const known = new Set(table.all().map((runner) => runner.record.group));
  for (const handle of runtime.existing()) if (!known.has(handle)) await killLeftover(parts, handle);
  return ended;
}

async function takeUp(parts: AdoptionParts, runner: LeaseRunner): Promise<void> {
  const { runtime, clock, logger, renewals } = parts;
  const { record } = runner;
  const rebooted = record.bootId !== clock.bootId;
  const changed = () => runner.look();
  // An agent that died between the start and its note of it left the group under the attempt's name.
  const reopen = () =>
    record.group === null
      ? runtime.create(attemptName(record), changed)
      : runtime.reopen(record.group, changed);
  const group = rebooted ? null : reopen();
  const gone = group === null || group.isEmpty();
  logger.info(
    { lease: record.leaseId, state: runner.state, gone, rebooted },
    "took up a lease of an earlier agent",
  );
  // No fault of the guest's: nobody let it begin, or the host fell.
  if (rebooted) runner.dispatch({ type: "kill", cause: lost("the host was restarted") });
  else if (record.group === null && runner.state === "starting")
    runner.dispatch({ type: "kill", cause: lost("the agent ended before the guest was started") });
  const { leaseIds = [], sentAtMs = 0, endsAtMs = 0 } = renewals.read(clock.bootId) ?? {};
  await runner.adopt(
    group,
    leaseIds.includes(record.leaseId) ? { type: "renewed", sentAtMs, endsAtMs } : null,
  );
}

function lost(detail: string): Cause {
  return { mover: "controller", sinceMs: null, recallId: "", detail };
}

const leftoverWaitMsMax = 2_000;

async function killLeftover(
  { runtime, clock, logger, leftovers }: AdoptionParts,
  handle: string,
): Promise<void> {
  const group: ProcessGroup | null = runtime.reopen(handle, () => {});
  if (group === null) return;
  const pids = group.members();
  const giveUpAtMs = clock.monotonicMs() + leftoverWaitMsMax;
  for (let waitMs = 1; !group.isEmpty() && clock.monotonicMs() < giveUpAtMs; waitMs *= 2) {
    group.kill();
    await clock.sleep(waitMs);
  }
  if (pids.length > 0) logger.error({ handle, pids }, "killed processes that belong to no lease");
  if (group.isEmpty()) group.remove();
  else leftovers.add(group);
}
