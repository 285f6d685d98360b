import { describe, expect, it } from "vitest";
import { defaults } from "../../src/config/defaults.ts";
import type { AgentSession } from "../../src/controller/agent-session.ts";
import { Fleet } from "../../src/controller/fleet.ts";
import { RecallTargets } from "../../src/controller/recall-targets.ts";
import type { GuestSpec } from "../../src/core/guest.ts";
import type { LiveLeaseState } from "../../src/core/lease.ts";
import type { Rung, VacateFromPause } from "../../src/core/policy.ts";
import { noticeLeftMs } from "../../src/core/recall-notice.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";

const { holdAfterRecallMs: _, ...policy } = defaults.policy;

/** A pool of one host; each guest worked for an hour and checkpointed so many ms ago. */
function poolOf(...ages: (number | null)[]) {
  const fleet = new Fleet();
  fleet.agents.set("h", {} as AgentSession);
  const specs = new Map<string, Partial<GuestSpec>>();
  ages.forEach((checkpointAgeMs, index) => {
    const uuid = `GPU-${index}`;
    fleet.addDevice({ uuid, host: "h", pool: "p", model: "m", index, memoryTotalMib: null });
    if (checkpointAgeMs === null) return;
    Object.assign(lend(fleet, `g-${index}`, uuid), { checkpointAgeMs, workedMs: 3_600_000 });
    specs.set(`g-${index}`, { startMs: 30_000, noticeMs: 10_000, evictionsMax: 100, durationHintMs: null });
  });
  const targets = new RecallTargets({
    fleet,
    guests: { specOf: (id) => specs.get(id) as GuestSpec | undefined, recordOf: () => undefined },
    signals: { policyOf: (pool) => ({ ...policy, pool, owner: "", windows: [] }) },
    clock,
    settings: { killMarginMs: 1_000 },
  });
  const recall = (devices: number, deadlineMs: number | null = null) =>
    targets
      .devicesOf({ target: { kind: "pool", pool: "p", devices }, deadlineMs, firstRung: null })
      .map(({ info }) => info.uuid);
  return { fleet, specs, recall };
}

function lend(fleet: Fleet, guestId: string, device: string, state: LiveLeaseState = "running") {
  return fleet.addLease(
    {
      id: `${guestId}:1`,
      guestId,
      tenant: "t",
      attempt: 1,
      host: "h",
      token: { generation: 1, number: 1 },
      epoch: 1,
      grants: [{ device, sharePermille: 1_000, memoryMib: 1 }],
      trustGroup: "t",
      state,
      lentAtMs: 0,
      stateSinceMs: 0,
      step: 1,
    },
    clock.monotonicMs(),
  );
}

describe("devices of a recall of part of a pool", () => {
  it("are those whose guests lose least", () => {
    expect(poolOf(60_000, 1_000, 30_000).recall(1)).toEqual(["GPU-1"]);
  });

  it("depend on the deadline: whom it leaves no notice would be killed", () => {
    const { specs, recall } = poolOf(50_000, 40_000);
    specs.set("g-0", { ...specs.get("g-0"), noticeMs: 2_000 });
    expect(recall(1)).toEqual(["GPU-1"]);
    expect(recall(1, 4_000)).toEqual(["GPU-0"]);
  });

  it("are given back by agents that are there, of devices that are clean, where there are enough", () => {
    const { fleet, recall } = poolOf(null, 60_000);
    fleet.devices.get("GPU-0")!.quarantine = "memory is still taken";
    expect(recall(1)).toEqual(["GPU-1"]);
    expect(recall(2)).toEqual(["GPU-0", "GPU-1"]);
    fleet.agents.clear();
    expect(recall(1)).toEqual(["GPU-0"]);
  });

  it("are those of a gang that another recall ends already", () => {
    const { fleet, recall } = poolOf(1_000, 60_000);
    fleet.leases.get("g-1:1")!.demands.set("r-1", { rung: "vacate", endsAtMs: Infinity });
    expect(recall(1)).toEqual(["GPU-1"]);
  });

  it("are not chosen by a mere Busy hint, which pauses and ends", () => {
    const { fleet, recall } = poolOf(1_000, 60_000);
    fleet.leases.get("g-1:1")!.demands.set("", { rung: "pause", endsAtMs: Infinity });
    expect(recall(1)).toEqual(["GPU-0"]);
  });
});

describe("the notice that a recall leaves a guest", () => {
  it.each<[Rung, VacateFromPause, boolean, number]>([
    ["pause", "thaw", false, 9_000],
    ["vacate", "thaw", true, 9_000],
    ["vacate", "kill", false, 9_000],
    ["vacate", "kill", true, 0],
    ["pause", "kill", false, 0],
    ["kill", "thaw", false, 0],
  ])("%s, from pause %s, paused %s: %i ms of 10 s", (firstRung, vacateFromPause, isPaused, leftMs) => {
    expect(noticeLeftMs({ firstRung, deadlineMs: 10_000 }, vacateFromPause, isPaused, 1_000)).toBe(leftMs);
  });

  it("is none where the deadline is nearer than the margin", () => {
    expect(noticeLeftMs({ firstRung: "vacate", deadlineMs: 500 }, "thaw", false, 1_000)).toBe(0);
  });
});
