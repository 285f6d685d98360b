import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectClients, type Clients } from "../../src/api/client.ts";
import { parseSettings, type Settings } from "../../src/config/settings.ts";
import { runController, type RunningController } from "../../src/controller/controller.ts";
import { systemSurroundings, type SystemOptions } from "../../src/controller/surroundings.ts";
import type { GuestSpec } from "../../src/gen/gleaner/v1/guests.ts";
import { GuestKind } from "../../src/gen/gleaner/v1/guests.ts";
import { systemClock, type Clock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/log.ts";

export interface TestController extends AsyncDisposable {
  readonly controller: RunningController;
  readonly clients: Clients;
  readonly settings: Settings;
  /** Ends it without its goodbyes' effect on the data: the same dataDir and Redis serve the next one. */
  stop(): Promise<void>;
}

/** Settings of a fleet that lives fast, so that tests wait for events and not for minutes. */
export function fastSettings(overrides: Record<string, unknown> = {}): Settings {
  return parseSettings(
    {
      listen: { apiAddress: "127.0.0.1:0", httpAddress: "127.0.0.1:0", agentAddress: "127.0.0.1:0" },
      cycle: { intervalMs: 50, intervalMsMin: 5 },
      terms: { termMs: 2_000, renewIntervalMs: 500, driftMs: 100 },
      telemetry: { sampleIntervalMs: 1_000, staleMs: 60_000 },
      forecast: { fitChanceMin: 0, evictionPenaltyMs: 0, resumeIdleMsMin: 50, earlyReturnMs: 0 },
      guest: { startMs: 0, noticeMs: 500, checkpointIntervalMs: 1_000, backoffMsMin: 0 },
      recall: { killMarginMs: 100, proofMs: 500, holdAfterRecallMs: 0 },
      policies: [{ pool: "*", mode: "lend", idleMsMin: 0, recallDeadlineMs: 5_000 }],
      ...overrides,
    },
    "test",
  );
}

export async function startTestController(options: {
  redisUrl: string;
  dataDir?: string;
  settings?: Settings;
  clock?: Clock;
  /** It may stand by; otherwise it is waited for until it leads. */
  standby?: boolean;
}): Promise<TestController> {
  const settings = options.settings ?? fastSettings();
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), "gleaner-controller-"));
  const system: SystemOptions = {
    settings,
    dataDir,
    redisUrl: options.redisUrl,
    logger: createLogger({ name: "controller", level: "fatal" }),
    version: "test",
  };
  const { clock = systemClock } = options;
  const controller = await runController(system, { ...systemSurroundings(system), clock });
  while (options.standby !== true && !(await leads(controller))) await systemClock.sleep(20);
  const clients = connectClients(controller.apiAddress);
  const stop = async () => {
    clients.close();
    await controller.stop();
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  };
  return { controller, clients, settings, stop, [Symbol.asyncDispose]: stop };
}

export async function leads({ httpAddress }: RunningController): Promise<boolean> {
  const ready = await fetch(`http://${httpAddress}/readyz`);
  return !(await ready.text()).includes("standby");
}

export function processGuest(more: Partial<GuestSpec> = {}): GuestSpec {
  return {
    tenant: "team-a",
    name: "test",
    kind: GuestKind.BATCH,
    workload: { $case: "process", value: { command: ["true"], env: {}, workingDir: "" } },
    shape: undefined,
    priority: undefined,
    checkpointIntervalMs: undefined,
    startMs: undefined,
    noticeMs: undefined,
    durationHintMs: undefined,
    retries: undefined,
    evictionsMax: undefined,
    notBefore: undefined,
    trustGroup: "",
    labels: {},
    ...more,
  };
}
