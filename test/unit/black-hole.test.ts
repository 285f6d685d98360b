import { describe, expect, it } from "vitest";
import { BlackHoleWatch } from "../../src/core/black-hole.ts";

const settings = { failuresMax: 3, failedWithinMs: 10_000, forMs: 60_000 };

describe("a device on which guests keep failing at once", () => {
  it("is quarantined with the reason after so many different guests", () => {
    const watch = new BlackHoleWatch(settings);
    expect(watch.failed("GPU-a", "g-1", 100, 0)).toBeNull();
    expect(watch.failed("GPU-a", "g-2", 100, 1)).toBeNull();
    expect(watch.failed("GPU-b", "g-3", 100, 2)).toBeNull();
    expect(watch.failed("GPU-a", "g-3", 10_000, 3)?.reason).toMatch(/^3 different guests failed within/);
  });

  it("is not blamed for one guest that fails again and again", () => {
    const watch = new BlackHoleWatch(settings);
    for (let attempt = 0; attempt < 10; attempt++)
      expect(watch.failed("GPU-a", "g-1", 1, attempt)).toBeNull();
  });

  it("is not blamed for guests that ran for a while first", () => {
    const watch = new BlackHoleWatch(settings);
    for (const guest of ["g-1", "g-2", "g-3", "g-4"])
      expect(watch.failed("GPU-a", guest, 10_001, 0)).toBeNull();
  });

  it("begins anew once a guest ran well, once the failures are old, and once it was quarantined", () => {
    const watch = new BlackHoleWatch(settings);
    watch.failed("GPU-a", "g-1", 1, 0);
    watch.failed("GPU-a", "g-2", 1, 0);
    watch.succeeded("GPU-a");
    expect(watch.failed("GPU-a", "g-3", 1, 1)).toBeNull();
    expect(watch.failed("GPU-a", "g-4", 1, 59_000)).toBeNull();
    expect(watch.failed("GPU-a", "g-5", 1, 60_002)).toBeNull();
    expect(watch.failed("GPU-a", "g-6", 1, 60_003)).not.toBeNull();
    expect(watch.failed("GPU-a", "g-7", 1, 60_004)).toBeNull();
  });

  it("I11: is forgotten first where more devices fail than are followed", () => {
    const watch = new BlackHoleWatch(settings);
    watch.failed("GPU-first", "g-1", 1, 0);
    watch.failed("GPU-first", "g-2", 1, 0);
    for (let device = 0; device < 100_000; device++) watch.failed(`GPU-${device}`, "g-1", 1, 1);
    expect(watch.failed("GPU-first", "g-3", 1, 2)).toBeNull();
  });
});
