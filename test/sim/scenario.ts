import { parseSettings, type Settings } from "../../src/config/settings.ts";
import type { DeviceInfo } from "../../src/core/device.ts";
import { drawFaults } from "./faults.ts";
import { withLateAnswers } from "./late-answers.ts";
import { guestSpec, type OwnerAct, type PlannedGuest, type Scenario, wholeDevice } from "./plan.ts";
import { Random } from "./world/random.ts";

/** Until then things happen; afterwards everything has to heal. */
export const activeMs = 40_000;
/** By then every guest has ended. */
export const healedByMs = 200_000;

export const deadlineMs = 8_000;

export function drawScenario(seed: number): Scenario {
  const random = new Random(seed);
  const hosts = drawHosts(random.fork("hosts"));
  const devices = hosts.flatMap((host) => host.devices);
  const controllers = random.fork("controllers").pick([1, 2]);
  const scenario: Scenario = {
    seed,
    settings: drawSettings(random.fork("settings")),
    controllers,
    hosts,
    sharesCheckpoints: random.fork("checkpoints").chance(0.5),
    guests: drawGuests(random.fork("guests"), Math.max(...hosts.map((host) => host.devices.length))),
    owners: drawOwners(random.fork("owners"), devices),
    faults: drawFaults(
      random.fork("faults"),
      Array.from({ length: controllers }, (_, i) => `controller-${i}`),
      hosts.map(({ name }) => name),
    ),
    proofs: devices.map(({ pool, uuid }) => proofOf(pool, `proof ${uuid}`)),
    redisLossMsMax: random.fork("aof").pick([0, 2_000]),
  };
  return withLateAnswers(random.fork("late answers"), scenario);
}

function proofOf(pool: string, key: string): PlannedGuest {
  const shape = { ...wholeDevice, pools: [pool] };
  return {
    key,
    atMs: 0,
    cancelAtMs: null,
    spec: guestSpec(key, shape, 0),
    program: {
      workMs: 600_000,
      checkpointEveryMs: 1_000,
      leavesAfterMs: 100,
      diesAfterMs: 5,
      exitCode: 0,
      childOutlivesMs: 0,
    },
  };
}

function drawSettings(random: Random): Settings {
  const pool = (name: string) => ({
    pool: name,
    mode: "lend",
    idleMsMin: 300,
    recallDeadlineMs: deadlineMs,
    pauseBudgetMs: random.pick([0, 3_000, 60_000]),
    firstRung: random.pick(["pause", "pause", "vacate", "kill"]),
    vacateFromPause: random.pick(["thaw", "kill"]),
  });
  return parseSettings(
    {
      cycle: { intervalMs: 200, intervalMsMin: 20 },
      terms: { termMs: 3_500, renewIntervalMs: 700, driftMs: 300 },
      telemetry: { sampleIntervalMs: 500, staleMs: 2_000 },
      forecast: { fitChanceMin: 0, evictionPenaltyMs: 0, resumeIdleMsMin: 500, earlyReturnMs: 0 },
      guest: {
        startMs: 0,
        noticeMs: 1_500,
        checkpointIntervalMs: 1_000,
        backoffMsMin: 100,
        backoffMsMax: 1_000,
        evictionsMax: 1_000,
      },
      queue: { lockMs: 9_000, lockRenewMs: 3_000 },
      blackHole: { forMs: 5_000 },
      recall: { killMarginMs: 300, proofMs: 1_000, holdAfterRecallMs: 500 },
      agent: { reconnectMsMin: 100, reconnectMsMax: 1_000 },
      ledger: { drainIntervalMs: 500, aliveIntervalMs: 1_000 },
      decisions: { keptMibMax: 0 },
      policies: [pool("east"), pool("west")],
    },
    "sim",
  );
}

function drawHosts(random: Random): Scenario["hosts"] {
  return Array.from({ length: random.int(1, 3) }, (_, h) => ({
    name: `host-${h}`,
    devices: Array.from({ length: random.int(1, 3) }, (_unused, d) => ({
      uuid: `GPU-${h}-${d}`,
      host: `host-${h}`,
      pool: h % 2 === 0 ? "east" : "west",
      model: "sim",
      index: d,
      memoryTotalMib: 1_000,
    })),
  }));
}

function drawGuests(random: Random, devicesPerHostMax: number): PlannedGuest[] {
  return Array.from({ length: random.int(3, 12) }, (_, i) => {
    const gang = random.chance(0.2) && devicesPerHostMax > 1;
    const isShared = !gang && random.chance(0.3);
    const key = `guest-${i}`;
    const atMs = random.between(500, activeMs * 0.6);
    const cancelAtMs = random.chance(0.1) ? random.between(2_000, activeMs) : null;
    const tenant = random.pick(["red", "blue"]);
    const shape = {
      ...wholeDevice,
      devices: gang ? 2 : 1,
      sharePermille: isShared ? random.pick([250, 500]) : 1_000,
    };
    return {
      key,
      atMs,
      cancelAtMs,
      spec: { ...guestSpec(key, shape, random.int(0, 2)), tenant },
      program: {
        workMs: random.between(500, random.chance(0.3) ? 25_000 : 8_000),
        checkpointEveryMs: random.between(500, 2_000),
        leavesAfterMs: random.chance(0.15) ? Infinity : random.exponential(300),
        diesAfterMs: random.chance(0.1) ? random.between(1_200, 4_000) : random.exponential(5),
        exitCode: random.chance(0.1) ? 1 : 0,
        childOutlivesMs: random.chance(0.1) ? random.between(10, 800) : 0,
      },
    };
  });
}

function drawOwners(random: Random, devices: readonly DeviceInfo[]): OwnerAct[] {
  const acts: OwnerAct[] = [];
  for (const { uuid } of devices) {
    let atMs = random.between(1_000, 12_000);
    while (atMs < activeMs - 2_000) {
      const worksMs = Math.round(Math.min(random.exponential(4_000) + 200, activeMs - atMs));
      acts.push({
        atMs,
        device: uuid,
        kind: random.pick(["works", "works", "recalls", "announces"]),
        deadlineMs,
        firstRung: random.pick([null, "pause", "vacate", "kill"]),
        worksMs,
        asksAgent: random.chance(0.3),
      });
      atMs += deadlineMs + worksMs + random.exponential(8_000);
    }
  }
  return acts;
}
