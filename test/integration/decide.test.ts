import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createDecider, type Decider } from "../../src/controller/decide.ts";
import {
  anySnapshot,
  device,
  guest,
  longCurve,
  nextSnapshot,
  settings,
  shortCurve,
  snapshot,
} from "../support/snapshots.ts";

let deciders: Decider[] = [];

function decider(workerAboveDevices: number): Decider {
  const made = createDecider({ workerAboveDevices, settings });
  deciders.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(deciders.map(async (made) => made.close()));
  deciders = [];
});

describe("a cycle decided on a thread of its own", () => {
  it("I7: decides and explains what it would where the caller runs, cycle after cycle", async () => {
    const [inline, threaded] = [decider(Infinity), decider(-1)];
    let before = snapshot();
    for (const after of fc.sample(anySnapshot, { numRuns: 60, seed: 3 })) {
      const input = nextSnapshot(before, after);
      expect(await threaded.decide(input)).toEqual(await inline.decide(input));
      for (const { id } of input.guests.slice(0, 2))
        expect(await threaded.explain(id)).toEqual(await inline.explain(id));
      before = input;
    }
  });

  it("sees that a device has another forecast", async () => {
    const threaded = decider(-1);
    const guests = [guest("g-1")];
    const short = snapshot({ devices: [device("GPU-a", { curve: shortCurve })], guests });
    expect((await threaded.decide(short)).lends).toEqual([]);
    expect((await threaded.explain("g-1"))?.reasonCode).toBe("window_too_short");
    const long = { ...short, devices: [device("GPU-a", { curve: longCurve })] };
    expect((await threaded.decide(long)).lends.map(({ guestId }) => guestId)).toEqual(["g-1"]);
    expect(await threaded.explain("g-1")).toBeNull();
  });

  it("hands over more lends than one message carries", async () => {
    const devices = Array.from({ length: 1_200 }, (_, index) =>
      device(`GPU-${index}`, { host: `host-${index}` }),
    );
    const guests = devices.map((_, index) => guest(`g-${index}`, { sequence: index }));
    const { lends } = await decider(-1).decide(snapshot({ devices, guests, limits: { lendsMax: 1_100 } }));
    expect(new Set(lends.map(({ guestId }) => guestId)).size).toBe(1_100);
  });

  it("fails the cycle where the thread fails, and goes on with a new one", async () => {
    const threaded = decider(-1);
    const broken = snapshot({
      devices: [{ ...device("GPU-a"), info: null as never }],
      guests: [guest("g-1")],
    });
    await expect(threaded.decide(broken)).rejects.toThrow();
    const good = snapshot({ devices: [device("GPU-a")], guests: [guest("g-1")] });
    expect((await threaded.decide(good)).lends).toHaveLength(1);
  });
});
