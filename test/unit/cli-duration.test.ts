import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, parseDurationMs } from "../../src/cli/duration.ts";

describe("durations", () => {
  it.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["1.5s", 1_500],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["1h30m", 5_400_000],
    ["1d", 86_400_000],
    ["0s", 0],
  ])("reads %s", (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(["", "30", "s", "-5s", "5 s", "5sec", "1e3s", "NaNs", "5s!", "99999999999999999d"])(
    "refuses %j, a number without a unit included",
    (text) => {
      expect(parseDurationMs(text)).toBeNull();
    },
  );

  it("writes what it can read, to two units", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 * 86_400_000 }), (ms) => {
        const again = parseDurationMs(formatDuration(ms));
        expect(again).not.toBeNull();
        expect(Math.abs(again! - ms)).toBeLessThanOrEqual(Math.max(50, ms * 0.05));
      }),
    );
  });
});
