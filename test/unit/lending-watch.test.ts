import { describe, expect, it } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import type { LeaseStep } from "../../src/api/convert/lease.ts";
import { Fleet } from "../../src/controller/fleet.ts";
import { LendingWatch } from "../../src/controller/lending-watch.ts";
import type { LeaseState, Mover } from "../../src/core/lease.ts";
import { lease as leaseOf, pool } from "../support/snapshots.ts";

/** Nights from 20 to 6 o'clock; a hand-back takes a minute. */
function keptFreeAt(
  time: string,
  windows = [{ weekdays: [], startMinute: 1_200, endMinute: 360, timeZone: "UTC" }],
) {
  const settings = parseSettings({ guest: { noticeMs: 60_000 } }, "test");
  const { policy } = pool("pool-1", { windows });
  const clock = { wallMs: () => Date.parse(`2026-03-02T${time}Z`) };
  const watch = new LendingWatch({ settings, clock, signals: { policyOf: () => policy } } as never);
  return watch.termsOf("pool-1").keptFree;
}

describe("the calendar of a pool's owner", () => {
  it("keeps devices free outside its windows, and for the time of a hand-back before one closes", () => {
    expect(
      ["19:00:00", "21:00:00", "05:58:30", "05:59:30", "06:00:00"].map((time) => keptFreeAt(time)),
    ).toEqual([true, false, false, true, true]);
  });

  it("keeps none free where there are no windows", () => {
    expect(keptFreeAt("12:00:00", [])).toBe(false);
  });
});

/** A guest's steps, one after the other; answers what the forecast was told. */
function told(...moves: readonly (readonly [LeaseState, Mover])[]): string[] {
  const heard: string[] = [];
  const fleet = new Fleet();
  fleet.addDevice({ uuid: "GPU-0", host: "h", pool: "pool-1", model: "", index: 0, memoryTotalMib: null });
  const live = fleet.addLease({ ...leaseOf("g-1", [{ device: "GPU-0" }]), state: "starting" }, 0);
  const forecast = { met: () => void heard.push("met"), evicted: () => void heard.push("evicted") };
  const clock = { wallMs: () => 0, monotonicMs: () => 0 };
  const parts = {
    fleet,
    forecast,
    clock,
    guests: { specOf: () => undefined },
    settings: parseSettings({}, "test"),
  };
  const watch = new LendingWatch(parts as never);
  for (const [state, mover] of moves) {
    const before = live.lease;
    live.lease = { ...before, state };
    watch.stepped(live, before, { state, mover, atMs: 0 } as LeaseStep, null);
  }
  return heard;
}

describe("what owners' returns do to guests", () => {
  it("is a meeting where a guest was at work, and an eviction where it has to go, then or later", () => {
    const running = ["running", "controller"] as const;
    expect(told(running, ["paused", "activity"], running)).toEqual(["met"]);
    expect(told(running, ["paused", "activity"], ["vacating", "budget"], ["released", "budget"])).toEqual([
      "met",
      "evicted",
    ]);
    expect(told(running, ["killing", "owner"], ["released", "owner"])).toEqual(["met", "evicted"]);
  });

  it("is neither where the guest stood still or left by our own wish", () => {
    const running = ["running", "controller"] as const;
    expect(told(running, ["paused", "controller"], ["vacating", "budget"], ["released", "budget"])).toEqual(
      [],
    );
    expect(told(running, ["vacating", "controller"], ["released", "controller"])).toEqual([]);
    expect(told(running, ["paused", "activity"], running, ["vacating", "controller"])).toEqual(["met"]);
  });
});
