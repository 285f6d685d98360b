import { describe, expect, it } from "vitest";
import { explainWait } from "../../src/core/cycle-explain.ts";
import { decideCycle, unlentReason } from "../../src/core/cycle.ts";
import { reasons } from "../../src/core/reasons.ts";
import type { Snapshot } from "../../src/core/snapshot.ts";
import {
  device,
  guest,
  lease,
  longCurve,
  nowMs,
  pool,
  settings,
  shortCurve,
  snapshot,
  steadyCurve,
} from "../support/snapshots.ts";

const minuteMs = 60_000;
const share = (sharePermille: number, memoryMib: number | null = null) => ({
  shape: { sharePermille, memoryMib },
});
const lentTo = (input: Snapshot) =>
  Object.fromEntries(
    decideCycle(input, settings).lends.map(({ guestId, grants }) => [guestId, grants.map((g) => g.device)]),
  );
const unlentOf = (input: Snapshot) => {
  const decisions = decideCycle(input, settings);
  return input.devices.map((_, place) => unlentReason(decisions, place));
};
const explain = (input: Snapshot, guestId: string) =>
  explainWait(input, decideCycle(input, settings), guestId, settings);

describe("a notice that an agent could not give in time once it is cut off", () => {
  it("I5: keeps the guest out of the pool, and is its reason; another pool's deadline may do", () => {
    const devices = [device("GPU-a", { curve: longCurve })];
    const least = settings.unheardMs + 10_000;
    const withDeadline = (recallDeadlineMs: number) =>
      snapshot({ pools: [pool("pool-1", { recallDeadlineMs })], devices, guests: [guest("g-1")] });
    expect(lentTo(withDeadline(least + 1))).toEqual({ "g-1": ["GPU-a"] });
    expect(lentTo(withDeadline(least))).toEqual({});
    expect(explain(withDeadline(least), "g-1")?.reasonCode).toBe("notice_too_long");
  });
});

describe("the window", () => {
  it("is chosen that is worth most to the guest, by uuid where two are worth the same", () => {
    const devices = [
      device("GPU-c", { curve: longCurve }),
      device("GPU-b", { curve: longCurve }),
      device("GPU-a", { curve: steadyCurve(5 * 3_600_000) }),
    ];
    expect(lentTo(snapshot({ devices, guests: [guest("g-1")] }))).toEqual({ "g-1": ["GPU-b"] });
  });

  it("must have room for start, one checkpoint interval and notice", () => {
    const devices = [device("GPU-a", { curve: steadyCurve(20 * minuteMs) })];
    const long = guest("long", { checkpointIntervalMs: 20 * minuteMs, durationHintMs: 60 * minuteMs });
    const brief = guest("brief", { checkpointIntervalMs: minuteMs, durationHintMs: 10 * minuteMs });
    const pools = [pool("pool-1", { firstRung: "pause" })];
    expect(lentTo(snapshot({ pools, devices, guests: [long] }))).toEqual({});
    expect(explain(snapshot({ pools, devices, guests: [long] }), "long")?.reasonCode).toBe(
      "window_too_short",
    );
    expect(lentTo(snapshot({ pools, devices, guests: [brief] }))).toEqual({ brief: ["GPU-a"] });
  });

  it("counts only what is left of the guest's work", () => {
    const devices = [device("GPU-a", { curve: steadyCurve(6 * minuteMs) })];
    const pools = [pool("pool-1", { firstRung: "pause" })];
    const hint = { durationHintMs: 60 * minuteMs, checkpointIntervalMs: 10 * minuteMs };
    const begun = snapshot({ pools, devices, guests: [guest("g-1", { ...hint, workedMs: 58 * minuteMs })] });
    expect(lentTo(begun)).toEqual({ "g-1": ["GPU-a"] });
    expect(lentTo(snapshot({ pools, devices, guests: [guest("g-1", hint)] }))).toEqual({});
  });

  it("is refused where a likely eviction costs more than it gives, and taken where a return only pauses", () => {
    const devices = [device("GPU-a", { curve: steadyCurve(5 * minuteMs) })];
    const guests = [guest("g-1", { checkpointIntervalMs: minuteMs })];
    const vacate = snapshot({ devices, guests });
    expect(explain(vacate, "g-1")?.reasonCode).toBe("window_not_worth_it");
    expect(
      lentTo({ ...vacate, pools: snapshot({ pools: [pool("pool-1", { firstRung: "pause" })] }).pools }),
    ).toEqual({
      "g-1": ["GPU-a"],
    });
  });

  it("is waited for where the owner's return is too likely now and soon no longer", () => {
    const when = (worthLending: boolean) =>
      snapshot({ devices: [device("GPU-a", { worthLending })], guests: [guest("g-1")] });
    expect(explain(when(false), "g-1")?.reasonCode).toBe("owner_may_return");
    expect(unlentOf(when(false))).toEqual(["owner_may_return"]);
    expect(lentTo(when(true))).toEqual({ "g-1": ["GPU-a"] });
  });
});

describe("turns", () => {
  it("go to the tenant that had least for its weight, then by priority, then by acceptance", () => {
    const devices = ["GPU-a", "GPU-b", "GPU-c"].map((uuid) => device(uuid));
    const guests = [
      guest("late", { tenant: "small", sequence: 9, priority: 90 }),
      guest("early", { tenant: "small", sequence: 1 }),
      guest("later", { tenant: "small", sequence: 2 }),
      guest("much", { tenant: "large", sequence: 0, priority: 100 }),
    ];
    const tenants = [
      { tenant: "small", weight: 10, usedDeviceMs: 1_000 },
      { tenant: "large", weight: 1, usedDeviceMs: 1e9 },
    ];
    expect(Object.keys(lentTo(snapshot({ devices, guests, tenants })))).toEqual(["late", "early", "later"]);
  });

  it("are not held up by a shape that does not fit", () => {
    const devices = [device("GPU-a")];
    const guests = [
      guest("gang", { priority: 100, shape: { devices: 2 } }),
      guest("single", { priority: 1 }),
    ];
    expect(lentTo(snapshot({ devices, guests }))).toEqual({ single: ["GPU-a"] });
  });
});

describe("gangs", () => {
  it("lie on one host, where their worst device is best", () => {
    const devices = [
      device("GPU-a1", { host: "host-a" }),
      device("GPU-a2", { host: "host-a", curve: steadyCurve(3_600_000) }),
      device("GPU-b1", { host: "host-b", curve: steadyCurve(10 * 3_600_000) }),
      device("GPU-b2", { host: "host-b", curve: steadyCurve(10 * 3_600_000) }),
      device("GPU-c1", { host: "host-c" }),
    ];
    const guests = [guest("gang", { shape: { devices: 2 } })];
    expect(lentTo(snapshot({ devices, guests }))).toEqual({ gang: ["GPU-b1", "GPU-b2"] });
  });

  it("wait whole where no host has enough, and are told so", () => {
    const devices = [device("GPU-a", { host: "host-a" }), device("GPU-b", { host: "host-b" })];
    const input = snapshot({ devices, guests: [guest("gang", { shape: { devices: 2 } })] });
    expect(lentTo(input)).toEqual({});
    expect(explain(input, "gang")?.obstacles).toEqual([
      { reasonCode: "host_too_full", reason: reasons.host_too_full, devices: 2 },
    ]);
  });

  it("never have their chances multiplied", () => {
    const devices = ["GPU-a", "GPU-b", "GPU-c", "GPU-d"].map((uuid) => device(uuid));
    const [one] = decideCycle(snapshot({ devices, guests: [guest("g-1")] }), settings).lends;
    const [four] = decideCycle(
      snapshot({ devices, guests: [guest("g-4", { shape: { devices: 4 } })] }),
      settings,
    ).lends;
    expect(four?.chanceFits).toBe(one?.chanceFits);
  });
});

describe("shares", () => {
  it("fill a shared device before another one is opened, the fullest first", () => {
    const devices = [
      device("GPU-a"),
      device("GPU-b", { leases: [lease("live-1", [{ device: "GPU-b", sharePermille: 300 }])] }),
      device("GPU-c", { leases: [lease("live-2", [{ device: "GPU-c", sharePermille: 600 }])] }),
    ];
    const guests = ["g-1", "g-2", "g-3"].map((id, sequence) => guest(id, { ...share(400), sequence }));
    expect(lentTo(snapshot({ devices, guests }))).toEqual({
      "g-1": ["GPU-c"],
      "g-2": ["GPU-b"],
      "g-3": ["GPU-a"],
    });
  });

  it("lie only where memory is known, and take as much of it as of the device", () => {
    const unknown = snapshot({
      devices: [device("GPU-a", { memoryTotalMib: null })],
      guests: [guest("g-1", share(500))],
    });
    expect(explain(unknown, "g-1")?.reasonCode).toBe("memory_unknown");
    const known = snapshot({
      devices: [device("GPU-a", { memoryTotalMib: 80_000 })],
      guests: [guest("g-1", share(500))],
    });
    expect(decideCycle(known, settings).lends[0]?.grants).toEqual([
      { device: "GPU-a", sharePermille: 500, memoryMib: 40_000 },
    ]);
  });

  it("leave a whole device of unknown memory to guests that state none", () => {
    const devices = [device("GPU-a", { memoryUsedByOwnerMib: null })];
    expect(lentTo(snapshot({ devices, guests: [guest("g-1", { shape: { memoryMib: 1 } })] }))).toEqual({});
    expect(lentTo(snapshot({ devices, guests: [guest("g-1")] }))).toEqual({ "g-1": ["GPU-a"] });
  });
});

describe("the reason of a device that stays unlent", () => {
  const guests = [guest("g-1", { shape: { model: "none" } })];
  it.each([
    ["idle_too_short", device("GPU-a", { ownerSinceMs: nowMs - 1_000 })],
    ["breaker", device("GPU-a", { ownerSinceMs: nowMs - 5 * minuteMs, requiredIdleMs: 10 * minuteMs })],
    ["held", device("GPU-a", { heldBy: "held" })],
    ["hinted", device("GPU-a", { heldBy: "hinted" })],
    ["cool_down", device("GPU-a", { heldBy: "cool_down" })],
    ["agent_away", device("GPU-a", { agentConnected: false })],
    ["quarantined", device("GPU-a", { quarantineReason: "dirty" })],
    ["no_policy", device("GPU-a", { pool: "other" })],
    ["no_forecast", device("GPU-a", { curve: null })],
    ["memory_short", device("GPU-a", { memoryUsedByOwnerMib: 80_000 })],
    ["no_fit", device("GPU-a")],
    [null, device("GPU-a", { owner: "busy" })],
    [null, device("GPU-a", { owner: "unknown" })],
    [null, device("GPU-a", { leases: [lease("live", [{ device: "GPU-a" }])] })],
    ["fragment", device("GPU-a", { leases: [lease("live", [{ device: "GPU-a", sharePermille: 300 }])] })],
  ])("is %s", (reason, view) => {
    expect(unlentOf(snapshot({ devices: [view], guests }))).toEqual([reason]);
  });

  it.each([
    ["observe_mode", pool("pool-1", { mode: "observe" })],
    ["window_closed", pool("pool-1", {}, { windowOpen: false })],
    ["meetings_max", pool("pool-1", {}, { meetingsAllowed: false })],
    ["lent_share_max", pool("pool-1", { lentShareMax: 0.5 })],
  ])("is %s by the pool's rules", (reason, view) => {
    expect(unlentOf(snapshot({ pools: [view], devices: [device("GPU-a")], guests }))).toEqual([reason]);
  });

  it("I11: tells no guests from none that fits and from the cycle's limit", () => {
    const devices = [device("GPU-a"), device("GPU-b")];
    expect(unlentOf(snapshot({ devices, guests: [guest("g-1")] }))).toEqual([null, "no_guests"]);
    expect(
      unlentOf(snapshot({ devices, guests: [guest("g-1"), guest("g-2")], limits: { lendsMax: 1 } })),
    ).toEqual([null, "lends_max"]);
  });
});

describe("what a waiting guest is told", () => {
  it("is the obstacle nearest to a loan, and how many devices fall out for what", () => {
    const devices = [
      device("GPU-a", { owner: "busy" }),
      device("GPU-b", { owner: "busy" }),
      device("GPU-c", { curve: shortCurve }),
    ];
    expect(explain(snapshot({ devices, guests: [guest("g-1")] }), "g-1")).toEqual({
      reasonCode: "window_too_short",
      reason: reasons.window_too_short,
      obstacles: [
        { reasonCode: "owner_busy", reason: reasons.owner_busy, devices: 2 },
        { reasonCode: "window_too_short", reason: reasons.window_too_short, devices: 1 },
      ],
    });
  });

  it("is that no device of its kind exists, where that is so", () => {
    const input = snapshot({
      devices: [device("GPU-a")],
      guests: [guest("g-1", { shape: { model: "TPU" } })],
    });
    expect(explain(input, "g-1")?.reasonCode).toBe("no_such_device");
    expect(explain(snapshot({ guests: [guest("g-1")] }), "g-1")?.reasonCode).toBe("no_such_device");
  });
});
