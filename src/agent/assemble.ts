import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentOptions } from "./agent.ts";
import { Commands } from "./commands.ts";
import { Conversation } from "./conversation.ts";
import { Devices } from "./devices.ts";
import { shortHash } from "../runtime/dir-lock.ts";
import { Duties } from "./duties.ts";
import { DutyFile } from "./disk/duty-file.ts";
import { Fence } from "./disk/fence.ts";
import { LeaseDirs } from "./disk/lease-dirs.ts";
import { RenewalFile } from "./disk/renewal-file.ts";
import { EndedAttempts } from "./ended-attempts.ts";
import { KeptCheckpoints } from "./kept-checkpoints.ts";
import { Leftovers } from "./lease/leftovers.ts";
import { LeaseTable } from "./lease/lease-table.ts";
import type { RunnerHost } from "./lease/lease-runner.ts";
import { Starter } from "./lease/starter.ts";
import { attemptLog } from "./log/attempt-log.ts";
import type { Machine } from "./machine.ts";
import { LogReader } from "./log/log-reader.ts";
import { OwnerWatch } from "./owner-watch.ts";
import { Pools } from "./pools.ts";
import { RecallBook } from "./recall/recall-book.ts";
import { AgentRecallDesk } from "./recall/recall-desk.ts";
import { Terms } from "./terms.ts";

/** Where the system's programs lie, for agents that were given no environment to pass on. */
const plainEnv = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

export type Parts = ReturnType<typeof assemble>;

/** Builds every part of an agent and ties them together; nothing runs yet. */
export function assemble(options: AgentOptions, machine: Machine) {
  const { agentId, host, dataDir, source, settings, logger } = options;
  const { clock, disk } = machine;
  const runtime = machine.openRuntime(options.runtime ?? "auto", `${agentId}-${shortHash(dataDir)}`, logger);
  const dirs = new LeaseDirs(disk, dataDir, options.checkpointsDir ?? join(dataDir, "checkpoints"));
  const fence = new Fence(disk, join(dataDir, "fence.json"));
  const { journalEntriesMax } = settings.agent;
  const book = new RecallBook(disk, join(dataDir, "recalls.json"), clock, logger, journalEntriesMax);
  const devices = new Devices(source);
  const pools = new Pools(devices, settings);
  const table = new LeaseTable();
  const ended = new EndedAttempts(dirs, settings.agent.endedAttemptsKeptMax, logger);
  const kept = new KeptCheckpoints({
    dirs,
    ended,
    clock,
    logger,
    limits: settings.agent,
    present: () => table.guests(),
    ask: (guestIds) => void conversation.send(() => ({ $case: "keptGuests", value: { guestIds } })),
  });
  const { staleMs } = settings.telemetry;
  const owners = new OwnerWatch({ table, pools, clock, logger, staleMs });
  const desk = new AgentRecallDesk({
    devices,
    table,
    pools,
    book,
    clock,
    newId: () => machine.newId(),
    logger,
    holdAfterRecallMs: settings.recall.holdAfterRecallMs,
    report: (step) => conversation.sendRecallStep(step),
  });
  const dutyFiles = ["keeper.0", "keeper.1"].map((name) => join(dataDir, name));
  const dutyFile = new DutyFile(disk, dutyFiles, machine.pid, clock.bootId);
  const duties = new Duties({ table, file: dutyFile, runtime, clock, logger });
  const runnerHost: RunnerHost = {
    machine,
    logger,
    logBytesMax: settings.agent.logBytesMax,
    save: (record) => dirs.save(record),
    moved: (runner) => desk.moved(runner),
    rescheduled: () => duties.changed(),
    report: (step) => conversation.sendStep(step),
  };
  const leftovers = new Leftovers(logger);
  const starter = new Starter({
    table,
    fence,
    dirs,
    pools,
    runtime,
    duties,
    runnerHost,
    clock,
    logger,
    env: options.env ?? plainEnv,
    reportsMax: journalEntriesMax,
    ownerObstacle: (device) =>
      leftovers.obstacle() ??
      book.obstacle(device) ??
      leaseObstacle(table, device) ??
      owners.obstacle(device),
  });
  const renewals = new RenewalFile(disk, join(dataDir, "renewal.json"), logger);
  const terms = new Terms({
    table,
    clock,
    logger,
    termMs: settings.terms.termMs,
    renewals,
    send: (make) => conversation.send(() => ({ $case: "renewTerms", value: make() })),
  });
  const commands = new Commands({
    table,
    starter,
    terms,
    fence,
    clock,
    logger,
  });
  const logReader = new LogReader({
    find: (guestId, attempt) =>
      attemptLog(table, dirs, (dir) => machine.openLog(dir, settings.agent.logBytesMax), guestId, attempt),
    send: (value) => conversation.send(() => ({ $case: "logChunk", value })),
    clock,
    logger,
  });
  const { controllerAddress } = options;
  const conversation: Conversation = new Conversation({
    identity: { agentId, host, zone: settings.zone, version: version() },
    addresses: typeof controllerAddress === "string" ? [controllerAddress] : controllerAddress,
    settings,
    logger,
    machine,
    devices,
    table,
    ended,
    kept,
    fence,
    pools,
    book,
    desk,
    terms,
    commands,
    logReader,
  });
  return {
    starter,
    fence,
    renewals,
    leftovers,
    clock,
    disk,
    runtime,
    dirs,
    devices,
    table,
    ended,
    kept,
    owners,
    desk,
    book,
    duties,
    runnerHost,
    conversation,
    terms,
    options,
  };
}

/** A device that its owner took back from one guest is not given to the next one beside it. */
function leaseObstacle(table: LeaseTable, device: string): string | null {
  const recalled = table.holding(device).find((runner) => {
    const { recalls, hint } = runner.record.ladder.demands;
    return recalls.length > 0 || hint !== null || runner.state === "quarantined";
  });
  return recalled === undefined ? null : `its lease ${recalled.record.leaseId} is being taken back`;
}

function version(): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
