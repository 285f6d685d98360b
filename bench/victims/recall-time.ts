import { defaults } from "../../src/config/defaults.ts";
import { parseSettings } from "../../src/config/settings.ts";
import { Fleet } from "../../src/controller/fleet.ts";
import { RecallTargets } from "../../src/controller/recall-targets.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { below, pick, type Random } from "../../test/support/victims/instances.ts";
import { quantile } from "../harness/statistics.ts";

/** From one device to whole racks. */
const counts = [1, 2, 4, 8, 16, 64, 256];
const pool = "bench";

/**
 * How long the controller's thread takes to find the devices of a recall in a pool of so many live leases: its view of the fleet read,
 * the victims chosen. By the clock, and by the thread's own processor time.
 */
export function timeRecalls(leases: number, rounds: number, random: Random): Record<string, number> {
  const settings = parseSettings({}, "bench");
  const { holdAfterRecallMs: _, ...policy } = defaults.policy;
  const targets = new RecallTargets({
    fleet: lentFleet(leases, random),
    guests: { specOf: () => undefined, recordOf: () => undefined },
    signals: { policyOf: () => ({ ...policy, pool, owner: "", windows: [] }) },
    clock,
    settings: settings.recall,
  });
  const tookMs: number[] = [];
  const tookCpuMs: number[] = [];
  for (let round = -3; round < rounds; round++)
    for (const devices of counts) {
      const [startMs, startCpuMs] = [performance.now(), cpuMs()];
      targets.devicesOf({ target: { kind: "pool", pool, devices }, deadlineMs: null, firstRung: null });
      if (round < 0) continue;
      tookMs.push(performance.now() - startMs);
      tookCpuMs.push(cpuMs() - startCpuMs);
    }
  return {
    recallMsP50: quantile(tookMs, 0.5),
    recallMsP99: quantile(tookMs, 0.99),
    recallCpuMsMean: tookCpuMs.reduce((sum, ms) => sum + ms, 0) / tookCpuMs.length,
  };
}

/** Hosts of eight: three guests of five alone on a device, the others in gangs of two to eight. */
function lentFleet(leases: number, random: Random): Fleet {
  const fleet = new Fleet();
  const gangs: { host: string; uuids: string[] }[] = [];
  for (let host = 0; gangs.length < leases; host++)
    for (let place = 0; place < 8;) {
      const span = Math.min(8 - place, random() < 0.6 ? 1 : pick(random, [2, 4, 8]));
      const uuids = Array.from({ length: span }, (_, i) => `GPU-${host}-${place + i}`);
      gangs.push({ host: `host-${host}`, uuids });
      place += span;
    }
  for (const { host, uuids } of gangs)
    for (const uuid of uuids)
      fleet.addDevice({ uuid, host, pool, model: "bench", index: 0, memoryTotalMib: null });
  gangs.forEach(({ host, uuids }, number) => {
    const live = fleet.addLease(
      {
        id: `g-${number}:1`,
        guestId: `g-${number}`,
        tenant: "bench",
        attempt: 1,
        host,
        token: { generation: 1, number },
        epoch: 1,
        grants: uuids.map((device) => ({ device, sharePermille: 1_000, memoryMib: 1_024 })),
        trustGroup: "bench",
        state: "running",
        lentAtMs: 0,
        stateSinceMs: 0,
        step: 2,
      },
      clock.monotonicMs(),
    );
    live.workedMs = below(random, 36_000_000);
    live.checkpointAgeMs = random() < 0.1 ? null : below(random, 1_800_000);
  });
  return fleet;
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
