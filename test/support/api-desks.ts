import { pino } from "pino";
import { parseSettings } from "../../src/config/settings.ts";
import type { GuestView, RecallProgress, Submission } from "../../src/api/ports.ts";
import { startApiServer, type Desks } from "../../src/api/server.ts";
import type { RunningServer } from "../../src/api/listening.ts";
import { connectClients, type Clients } from "../../src/api/client.ts";
import { reportToProto } from "../../src/api/convert/report.ts";
import type { GuestSpec } from "../../src/core/guest.ts";
import { GleanerError } from "../../src/errors/gleaner-error.ts";
import { GetReportResponse } from "../../src/gen/gleaner/v1/reports.ts";
import type { GroupBooks, Report } from "../../src/report/report.ts";

export const sampleSpec: GuestSpec = {
  tenant: "research",
  name: "train-7",
  kind: "batch",
  workload: { kind: "process", command: ["python3", "train.py"], env: { SEED: "7" }, workingDir: "/srv" },
  shape: { devices: 1, sharePermille: 1000, memoryMib: null, model: "", pools: [] },
  priority: 50,
  checkpointIntervalMs: null,
  startMs: 30_000,
  noticeMs: 10_000,
  durationHintMs: null,
  retries: 0,
  evictionsMax: 100,
  notBeforeMs: null,
  trustGroup: "research",
  labels: { team: "vision" },
};

export const sampleGuest: GuestView = {
  id: "g-1",
  spec: sampleSpec,
  state: "waiting",
  reason: "waits for an idle device",
  submittedAtMs: 1_800_000_000_000,
  sequence: 1,
  attempts: 0,
  failures: 0,
  evictions: 0,
  leaseId: "",
  host: "",
  devices: [],
  exitCode: null,
  endedAtMs: null,
  usefulDeviceMs: 0,
  lostDeviceMs: 0,
  cancelling: false,
};

const noWait = { count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };

export const sampleGroup: GroupBooks = {
  name: "fleet",
  deviceHours: 2,
  hours: [{ category: "idle_unlent", reason: "held", deviceHours: 1.5 }],
  harvestedGpuHours: 0.5,
  usefulGpuHours: 0.25,
  lostGpuHours: 0.125,
  usefulMoney: 0,
  leases: 3,
  evictions: 1,
  meetings: 1,
  meetingsPerGpuDay: 12,
  meetingsPerGpuDayMax: null,
  returns: 4,
  waitedShare: 0.25,
  waitedShareMax: null,
  computeWait: { count: 1, p50Ms: 4, p99Ms: 4, maxMs: 4 },
  releaseWait: noWait,
  deadlinesMissed: 0,
};

export const sampleReport: Report = {
  fromMs: 1_800_000_000_000,
  toMs: 1_800_003_600_000,
  total: sampleGroup,
  pools: [{ ...sampleGroup, name: "train", meetingsPerGpuDayMax: 6, waitedShareMax: 0.05 }],
  owners: [],
  tenants: [],
  devices: [
    {
      device: "GPU-1",
      pool: "train",
      host: "node-1",
      owner: "vision",
      fromMs: 1_800_000_000_000,
      toMs: 1_800_003_600_000,
      elapsedUs: 3_600_000_000,
      amounts: [{ category: "useful", reason: "", deviceUs: 3_600_000_000 }],
    },
  ],
  balanced: true,
  gaps: ["nobody watched for 3 s"],
  guestsByState: { succeeded: 2 },
  returnsByRung: { pause: 1, vacate: 0, kill: 0, recall: 0 },
  calibration: {
    fromMs: 1_800_000_000_000,
    total: [
      {
        horizonMs: 60_000,
        count: 90,
        said: 0.25,
        came: 0.2,
        brier: 0.125,
        interval: { low: -0.01, high: 0.11 },
      },
    ],
    pools: [
      {
        pool: "train",
        horizons: [{ horizonMs: 60_000, count: 0, said: null, came: null, brier: null, interval: null }],
      },
    ],
  },
};

export const sampleProgress: RecallProgress = {
  recallId: "r-1",
  device: "GPU-1",
  stage: "released",
  elapsedMs: 1.5,
  leaseId: "g-1:1",
  detail: "",
  outstanding: 0,
};

/** Desks that know the guest g-1 and answer with the samples above; a test replaces what it speaks of. */
export function testDesks(replaced: { readonly [Desk in keyof Desks]?: Partial<Desks[Desk]> } = {}): Desks {
  const known = (id: string): Promise<GuestView> =>
    id === sampleGuest.id
      ? Promise.resolve(sampleGuest)
      : Promise.reject(new GleanerError("GUEST_NOT_FOUND", { id }));
  const accept = ({ spec }: Submission) => ({ accepted: { ...sampleGuest, spec }, created: true });
  return {
    guests: {
      submit: async (submissions) => submissions.map(accept),
      get: known,
      list: async () => ({ guests: [sampleGuest], nextAfterSequence: null }),
      cancel: async (id, reason) => ({ ...(await known(id)), state: "cancelled", reason }),
      async *watch() {
        yield { guest: sampleGuest, atMs: 1_800_000_000_000 };
      },
      explain: async (id) => ({
        guest: await known(id),
        reasonCode: "no_idle_device",
        reason: "No idle device fits.",
        waitingSinceMs: 1_800_000_000_000,
        placeInTenant: 1,
        waitingTotal: 3,
        tenantDeviceSeconds: 12.5,
        tenantWeight: 1,
        obstacles: [{ reasonCode: "owner_busy", reason: "its owner works", devices: 8 }],
      }),
      async *logs({ attempt }) {
        yield { data: new TextEncoder().encode("epoch 1\n"), attempt: attempt || 1, droppedBytes: 0 };
      },
      ...replaced.guests,
    },
    owners: {
      async *recall() {
        yield { ...sampleProgress, stage: "accepted", outstanding: 1 };
        yield sampleProgress;
      },
      busy: async (_target, ttlMs) => ({ devicesPaused: 2, expiresAtMs: 1_800_000_000_000 + ttlMs }),
      idle: async () => ({ hintsEnded: 1, recallsWithdrawn: 0 }),
      hold: async (target, ttlMs, reason) => ({
        id: "h-1",
        target,
        reason,
        createdAtMs: 1_800_000_000_000,
        expiresAtMs: ttlMs === null ? null : 1_800_000_000_000 + ttlMs,
      }),
      unhold: async (which) => {
        if ("id" in which) throw new GleanerError("HOLD_NOT_FOUND", { id: which.id });
        return [];
      },
      holds: async () => [],
      setPolicy: async (policy) => policy,
      policies: async () => [],
      ...replaced.owners,
    },
    reports: {
      report: async () => GetReportResponse.encode(reportToProto(sampleReport)).finish(),
      async *watchFleet() {
        yield { atMs: 1_800_000_000_000, devices: [], guestsByState: { running: 1 }, agents: 2, epoch: 7 };
      },
      decisions: async () => [],
      ...replaced.reports,
    },
    agents: {
      async *connect(incoming) {
        for await (const message of incoming)
          if (message.body?.$case === "renewTerms")
            yield {
              body: {
                $case: "termsRenewed",
                value: {
                  sequence: message.body.value.sequence,
                  leaseIds: message.body.value.leases.map((lease) => lease.leaseId),
                },
              },
            };
      },
      ...replaced.agents,
    },
  };
}

export interface TestApi extends AsyncDisposable {
  readonly server: RunningServer;
  readonly clients: Clients;
  /** Lines of the log, as parsed JSON. */
  readonly logged: Record<string, unknown>[];
}

/** A real server on a free port of the loopback, and its clients: `await using api = await startTestApi(desks)`. */
export async function startTestApi(
  desks: Desks = testDesks(),
  { serving = () => true, api = {} }: { serving?: () => boolean; api?: Record<string, number> } = {},
): Promise<TestApi> {
  const logged: Record<string, unknown>[] = [];
  const logger = pino(
    {},
    { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const settings = parseSettings({ api }, "test");
  const server = await startApiServer({ listen: "127.0.0.1:0", desks, settings, logger, serving });
  const clients = connectClients(server.address);
  return {
    server,
    clients,
    logged,
    async [Symbol.asyncDispose]() {
      clients.close();
      await server.close(0);
    },
  };
}
