import { describe, expect, it } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { AgentSession } from "../../src/controller/agent-session.ts";
import { Fleet } from "../../src/controller/fleet.ts";
import { GuestMoves } from "../../src/controller/guest-moves.ts";
import type { OwnerForecast } from "../../src/controller/owner-forecast.ts";
import type { OwnerSignals } from "../../src/controller/owner-signals.ts";
import type { DeviceDecision, HeldGuest } from "../../src/core/forecast/device-decision.ts";
import type { Sample } from "../../src/core/device.ts";
import type { LeaseState } from "../../src/core/lease.ts";
import type { Rung } from "../../src/core/policy.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { lease as leaseOf, pool } from "../support/snapshots.ts";

const resumeIdleMsMin = 5_000;
const settings = parseSettings({ forecast: { resumeIdleMsMin } }, "test");

function idleSample(device: string, atMs: number): Sample {
  return {
    device,
    atMs,
    attribution: "owner",
    utilPct: 0,
    engineActiveRatio: null,
    memoryUsedMib: 0,
    memoryFreeMib: null,
    ownerProcesses: null,
    pod: null,
  };
}

/** One guest on some devices of one host, whose owners have been idle since `idleSinceMs`; the forecast says what the test says. */
function rig({
  state,
  devices = 1,
  firstRung = "pause",
}: {
  state: LeaseState;
  devices?: number;
  firstRung?: Rung;
}) {
  const clock = {
    nowMs: 100_000,
    monotonicMs: () => clock.nowMs,
    wallMs: () => clock.nowMs,
    turn: () => Promise.resolve(),
  };
  const fleet = new Fleet();
  const uuids = Array.from({ length: devices }, (_, index) => `GPU-${index}`);
  const busy = (uuid: string, utilPct: number, atMs: number) =>
    fleet.devices
      .get(uuid)!
      .tracker.observe({ ...idleSample(uuid, atMs), utilPct }, { nowMs: atMs, staleMs: 1e9, leased: true });
  for (const [index, uuid] of uuids.entries()) {
    fleet.addDevice({ uuid, host: "host-1", pool: "pool-1", model: "H100", index, memoryTotalMib: null });
    busy(uuid, 0, 0);
  }
  const live = fleet.addLease(
    {
      ...leaseOf(
        "g-1",
        uuids.map((device) => ({ device })),
      ),
      state,
      stateSinceMs: clock.nowMs - 60_000,
    },
    0,
  );
  const told: [string, string][] = [];
  const session = new AgentSession({ host: "host-1", agentId: "agent-1", reign: { epoch: 1 } });
  session.command = (name, { id }) => void told.push([name, id]);
  fleet.agents.set("host-1", session);
  const says = {
    decide: (_: string, __: HeldGuest): DeviceDecision | null => null,
    knows: () => true,
    settlings: 0,
    curve: (_: string): { survivalAt(): number } | null => null,
  };
  const hinted = { is: false };
  const moves = new GuestMoves({
    fleet,
    signals: {
      isHinted: () => hinted.is,
      policyOf: () => pool("pool-1", { firstRung }).policy,
    } as unknown as OwnerSignals,
    forecast: says as unknown as OwnerForecast,
    guests: { specOf: () => undefined } as never,
    settings,
    clock: clock as never,
    log: createLogger({ name: "test", level: "silent" }),
    metrics: createMetrics({ version: "test" }),
  });
  return { clock, fleet, live, moves, told, says, hinted, busy };
}

describe("a guest that works", () => {
  it("is told once to leave, or to stand still, where the owner is likely to come", async () => {
    for (const move of ["vacate", "pause"] as const) {
      const { moves, told, says } = rig({ state: "running" });
      says.decide = () => move;
      await moves.order();
      says.settlings += 1;
      await moves.order();
      expect(told).toEqual([[move, "g-1:1"]]);
    }
  });

  it("is told again by a stream that is new, since the end of the old one may have swallowed it", async () => {
    const { moves, told, says, fleet } = rig({ state: "running" });
    says.decide = () => "vacate";
    await moves.order();
    const session = new AgentSession({ host: "host-1", agentId: "agent-1", reign: { epoch: 1 } });
    session.command = (name) => void told.push([name, "again"]);
    fleet.agents.set("host-1", session);
    says.settlings += 1;
    await moves.order();
    expect(told).toEqual([
      ["vacate", "g-1:1"],
      ["vacate", "again"],
    ]);
  });

  it("of a gang leaves when one of its devices is at risk, since an owner takes them together", async () => {
    const { moves, told, says } = rig({ state: "running", devices: 3 });
    says.decide = (uuid) => (uuid === "GPU-1" ? "vacate" : null);
    await moves.order();
    expect(told).toEqual([["vacate", "g-1:1"]]);
  });

  it("is left alone where nothing is known, and where the owner has spoken already", async () => {
    const { moves, told, says, hinted, live } = rig({ state: "running" });
    says.decide = () => "vacate";
    says.knows = () => false;
    await moves.order();
    says.knows = () => true;
    hinted.is = true;
    says.settlings += 1;
    await moves.order();
    hinted.is = false;
    says.settlings += 1;
    live.cancel = { noticeMs: 0, reason: "" };
    await moves.order();
    expect(told).toEqual([]);
  });
});

describe("a guest that stands still", () => {
  it("goes on when its owner has been away for long enough and is not likely to come", async () => {
    const { moves, told, says, clock, busy } = rig({ state: "paused" });
    const seen: HeldGuest[] = [];
    says.decide = (_, guest) => {
      seen.push(guest);
      return "resume";
    };
    busy("GPU-0", 90, clock.nowMs - 2_000);
    busy("GPU-0", 0, clock.nowMs - 1_000);
    await moves.order();
    expect(told).toEqual([]);
    clock.nowMs += resumeIdleMsMin;
    await moves.order();
    await moves.order();
    expect(told).toEqual([["resume", "g-1:1"]]);
    // It has stood still by our wish since the owner left, not since the owner came.
    expect(seen[0]).toEqual({ state: "paused", forS: 6 });
  });

  it("stays where the owner is likely to be back at once, and leaves when that takes too long", async () => {
    const { moves, told, says } = rig({ state: "paused" });
    await moves.order();
    expect(told).toEqual([]);
    says.decide = () => "vacate";
    await moves.order();
    await moves.order();
    expect(told).toEqual([["vacate", "g-1:1"]]);
  });

  it("goes on as soon as the owner is gone in pools whose owners end guests", async () => {
    const { moves, told } = rig({ state: "paused", firstRung: "vacate" });
    await moves.order();
    expect(told).toEqual([["resume", "g-1:1"]]);
  });
});

describe("guests that must make room", () => {
  it("leave as many as are asked for, those first whose owners are most likely to come, and each once", async () => {
    const { moves, told, says, fleet } = rig({ state: "running" });
    const stays: Record<string, number> = { "GPU-0": 0.9, "GPU-a": 0.2, "GPU-b": 0.5 };
    says.curve = (uuid) => ({ survivalAt: () => stays[uuid]! });
    for (const uuid of ["GPU-a", "GPU-b"]) {
      fleet.addDevice({
        uuid,
        host: "host-1",
        pool: "pool-1",
        model: "H100",
        index: 1,
        memoryTotalMib: null,
      });
      fleet.devices.get(uuid)!.tracker.observe(idleSample(uuid, 0), { nowMs: 0, staleMs: 1e9, leased: true });
      fleet.addLease({ ...leaseOf(`on-${uuid}`, [{ device: uuid }]), state: "running" }, 0);
    }
    await moves.leave(new Map([["pool-1", 1]]));
    expect(told).toEqual([["vacate", "on-GPU-a:1"]]);
    await moves.leave(new Map([["pool-1", 2]]));
    expect(told.slice(1)).toEqual([["vacate", "on-GPU-b:1"]]);
    await moves.leave(new Map([["another pool", 5]]));
    expect(told).toHaveLength(2);
  });
});
