import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { categories, type Category } from "../../src/core/account-category.ts";
import { DemandSampler, type PoolPast, type Stretch } from "../../src/core/reserve/demand-past.ts";

const stretch = (fromMs: number, toMs: number, category: Category, reason = ""): Stretch => ({
  fromMs,
  toMs,
  category,
  reason,
});

/** Ticks at 100, 110, 120, 130, 140. */
const ticks = { fromMs: 100, stepMs: 10, count: 5 };

function pastOf(stretches: readonly Stretch[], metMs: readonly number[] = []): Record<string, number[]> {
  const sampler = new DemandSampler(ticks);
  sampler.addDevice("a", stretches, metMs);
  return columnsOf(sampler.past().pools[0]!);
}

function columnsOf({ pool: _, ...columns }: PoolPast): Record<string, number[]> {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, [...column]]));
}

describe("a pool's past by ticks", () => {
  it("tells what each device was at the tick, and nothing of it before it was there", () => {
    const stretches = [
      stretch(105, 115, "idle_unlent", "no_guests"),
      stretch(115, 125, "useful"),
      stretch(125, 140, "owner_busy"),
    ];
    expect(pastOf(stretches)).toMatchObject({
      total: [0, 1, 1, 1, 0],
      known: [0, 1, 1, 1, 0],
      lent: [0, 0, 1, 0, 0],
      busy: [0, 0, 0, 1, 0],
    });
  });

  it("takes a device that is held or announced for its owner's", () => {
    const past = pastOf([
      stretch(100, 110, "idle_unlent", "held"),
      stretch(110, 120, "idle_unlent", "hinted"),
      stretch(120, 150, "idle_unlent", "cool_down"),
    ]);
    expect(past).toMatchObject({ busy: [1, 1, 0, 0, 0], lent: [0, 0, 0, 0, 0], known: [1, 1, 1, 1, 1] });
  });

  it("takes one that is handed back for its owner's where they met the guest, and for the guest's where it left", () => {
    const minutes = (ms: number) => ms * 6_000;
    const long = { fromMs: minutes(100), stepMs: minutes(10), count: 5 };
    const handed = [
      stretch(minutes(90), minutes(115), "useful"),
      stretch(minutes(115), minutes(135), "handing_back"),
      stretch(minutes(135), minutes(150), "idle_unlent", "cool_down"),
    ];
    const busy = (stretches: readonly Stretch[], metMs: readonly number[]) => {
      const sampler = new DemandSampler(long);
      sampler.addDevice("a", stretches, metMs);
      return columnsOf(sampler.past().pools[0]!)["busy"];
    };
    expect(busy(handed, [])).toEqual([0, 0, 0, 0, 0]);
    expect(busy(handed, [minutes(95)])).toEqual([0, 0, 0, 0, 0]);
    expect(busy(handed, [minutes(115) - 500])).toEqual([0, 0, 1, 1, 0]);
    // A pause was the first rung.
    const [useful, back, rest] = handed as [Stretch, Stretch, Stretch];
    const paused = stretch(minutes(108), minutes(115), "owner_busy");
    expect(busy([{ ...useful, toMs: paused.fromMs }, paused, back, rest], [paused.fromMs])).toEqual([
      0, 1, 1, 1, 0,
    ]);
  });

  it("does not say what it does not know: silence, quarantine; nor anything of a device that was silent all along", () => {
    const past = pastOf([
      stretch(100, 120, "unknown", "silent"),
      stretch(120, 140, "quarantined", "proof"),
      stretch(140, 150, "idle_unlent"),
    ]);
    expect(past).toMatchObject({ total: [1, 1, 1, 1, 1], known: [0, 0, 0, 0, 1] });
    const sampler = new DemandSampler(ticks);
    sampler.addDevice("a", [stretch(0, 150, "unknown", "silent")], []);
    expect(sampler.past().pools).toEqual([]);
  });

  it("counts a device once, whatever its parts do: the owner's before a guest's", () => {
    const past = pastOf([
      stretch(100, 150, "idle_unlent", "fragment"),
      stretch(110, 150, "useful"),
      stretch(130, 150, "owner_busy"),
    ]);
    expect(past).toMatchObject({ total: [1, 1, 1, 1, 1], lent: [0, 1, 1, 0, 0], busy: [0, 0, 0, 1, 1] });
  });

  it("counts what owners took at the tick after it, and leaves out what is not after the tick before the first", () => {
    const sampler = new DemandSampler(ticks);
    for (const atMs of [90, 91, 100, 101, 140, 141]) sampler.addReturn("a", atMs, "returns");
    sampler.addReturn("a", 140, "met_returns");
    const { taken, evicted } = columnsOf(sampler.past().pools[0]!);
    expect(taken).toEqual([2, 1, 0, 0, 1]);
    expect(evicted).toEqual([0, 0, 0, 0, 1]);
  });

  it("is at every tick what a look at that moment would have found", () => {
    const told = categories.filter((category) => category !== "handing_back");
    const anyStretch = fc
      .tuple(fc.nat(60), fc.nat(20), fc.constantFrom(...told), fc.constantFrom("", "held", "fragment"))
      .map(([from, length, category, reason]) => stretch(95 + from, 95 + from + length, category, reason));
    fc.assert(
      fc.property(fc.array(fc.array(anyStretch, { maxLength: 6 }), { maxLength: 5 }), (devices) => {
        const sampler = new DemandSampler(ticks);
        for (const stretches of devices) sampler.addDevice("a", stretches, []);
        const past = sampler.past().pools[0];
        const found = (tick: number) =>
          devices.map((stretches) => {
            const atMs = ticks.fromMs + tick * ticks.stepMs;
            return stretches.filter(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs);
          });
        for (let tick = 0; tick < ticks.count; tick++) {
          const count = (is: (parts: readonly Stretch[]) => boolean) => found(tick).filter(is).length;
          expect(past?.busy[tick] ?? 0).toBe(count(isOwners));
          expect(past?.lent[tick] ?? 0).toBe(count((parts) => isGuests(parts) && !isOwners(parts)));
          expect(past?.known[tick] ?? 0).toBe(
            count(
              (parts) =>
                isOwners(parts) ||
                isGuests(parts) ||
                parts.some(({ category }) => category === "idle_unlent"),
            ),
          );
        }
      }),
    );
  });
});

function isOwners(parts: readonly Stretch[]): boolean {
  return parts.some(
    ({ category, reason }) => category === "owner_busy" || (category === "idle_unlent" && reason === "held"),
  );
}

function isGuests(parts: readonly Stretch[]): boolean {
  return parts.some(({ category }) => ["starting", "useful", "paused", "lost"].includes(category));
}
