import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CycleReader, CycleWriter, type JournalledCycle } from "../../src/controller/decision-text.ts";
import { frameOf, textsOf } from "../../src/controller/decision-frames.ts";
import { replay } from "../../src/controller/decision-replay.ts";
import { Slices } from "../../src/controller/slices.ts";
import { decideCycle } from "../../src/core/cycle.ts";
import { explainWait } from "../../src/core/cycle-explain.ts";
import { horizonsMs } from "../../src/core/forecast/questions.ts";
import { WindowCurve } from "../../src/core/forecast/window-curve.ts";
import type { Snapshot } from "../../src/core/snapshot.ts";
import { anySnapshot, device, guest, nextSnapshot, settings, snapshot } from "../support/snapshots.ts";

/** Written to a file's bytes and read from them. */
async function thereAndBack(snapshots: readonly Snapshot[]): Promise<JournalledCycle[]> {
  const writer = new CycleWriter();
  const frames: Buffer[] = [];
  for (const [place, seen] of snapshots.entries()) {
    const decisions = decideCycle(seen, settings);
    const cycle = { atMs: place, missed: place, snapshot: seen, decisions };
    frames.push(await frameOf(await writer.write(cycle, new Slices())));
  }
  const reader = new CycleReader();
  return [...textsOf(Buffer.concat(frames))].map((text) => reader.read(text!));
}

describe("a journalled cycle", () => {
  it("I7: decides and explains the same after it was written and read", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anySnapshot, { minLength: 1, maxLength: 4 }), async (samples) => {
        const seen: Snapshot[] = [];
        for (const sample of samples) {
          const before = seen.at(-1);
          seen.push(before === undefined ? sample : nextSnapshot(before, sample));
        }
        const read = await thereAndBack(seen);
        expect(read).toHaveLength(seen.length);
        for (const [place, cycle] of read.entries()) {
          const [original, decisions] = [seen[place]!, decideCycle(seen[place]!, settings)];
          expect(cycle).toMatchObject({ atMs: place, missed: place });
          expect(cycle.decisions).toEqual(decisions);
          expect(decideCycle(cycle.snapshot, settings)).toEqual(decisions);
          expect(replay(cycle, settings)).toBeNull();
          for (const { id } of original.guests)
            expect(explainWait(cycle.snapshot, cycle.decisions, id, settings)).toEqual(
              explainWait(original, decisions, id, settings),
            );
        }
      }),
      { numRuns: 150 },
    );
  });

  it("I7: has the forecast bit for bit, hash and all", async () => {
    const anyChance = fc.double({ min: 1e-9, max: 1 - 1e-9, noNaN: true });
    const anySurvival = fc.array(anyChance, { minLength: horizonsMs.length, maxLength: horizonsMs.length });
    await fc.assert(
      fc.asyncProperty(
        anySurvival,
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        async (chances, sinceMs) => {
          const survival = chances.toSorted((a, b) => b - a);
          const curve = new WindowCurve(horizonsMs, survival, sinceMs);
          const [cycle] = await thereAndBack([snapshot({ devices: [device("GPU-a", { curve })] })]);
          const read = cycle!.snapshot.devices[0]!.curve!;
          expect(read).toEqual(curve);
          expect([read.hash, read.survivalAt(90_000)]).toEqual([curve.hash, curve.survivalAt(90_000)]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("holds nothing of a guest that is not looked at: what it runs, its environment, its labels", async () => {
    const secret = guest("g-1", { labels: { note: "sesame" } });
    const workload = {
      kind: "process",
      command: ["sesame"],
      env: { KEY: "sesame" },
      workingDir: "",
    } as const;
    const seen = snapshot({ guests: [{ ...secret, spec: { ...secret.spec, workload } }] });
    const decisions = decideCycle(seen, settings);
    const text = await new CycleWriter().write(
      { atMs: 0, missed: 0, snapshot: seen, decisions },
      new Slices(),
    );
    expect(Buffer.concat(text).toString()).not.toContain("sesame");
  });

  it("says in its text only what is new since the one before", async () => {
    const seen = snapshot({
      devices: Array.from({ length: 200 }, (_, index) => device(`GPU-${index}`)),
      guests: [guest("g-1", { shape: { model: "none" } })],
    });
    const writer = new CycleWriter();
    const write = async (next: Snapshot) => {
      const cycle = { atMs: 0, missed: 0, snapshot: next, decisions: decideCycle(next, settings) };
      return Buffer.concat(await writer.write(cycle, new Slices())).length;
    };
    const first = await write(seen);
    expect(await write({ ...seen, nowMs: seen.nowMs + 1_000 })).toBeLessThan(first / 20);
  });
});

describe("a record", () => {
  it("is read whole or not at all, wherever it is torn", async () => {
    const first = await frameOf([Buffer.from("first")]);
    const file = Buffer.concat([first, await frameOf([Buffer.from("second")])]);
    for (let length = 0; length <= file.length; length++) {
      const isWhole = length === 0 || length === first.length || length === file.length;
      const texts = [...textsOf(file.subarray(0, length))];
      const whole = texts.filter((text) => text !== null);
      expect(whole).toEqual(["first", "second"].slice(0, whole.length));
      expect(whole.length).toBe(length === file.length ? 2 : length >= first.length ? 1 : 0);
      expect(texts.includes(null)).toBe(!isWhole);
    }
  });

  it("is not read where a bit of it is another", async () => {
    const file = Buffer.concat([
      await frameOf([Buffer.from("first")]),
      await frameOf([Buffer.from("second")]),
    ]);
    for (let at = 0; at < file.length; at++) {
      const spoilt = Buffer.from(file);
      spoilt[at]! ^= 4;
      expect([...textsOf(spoilt)].at(-1), `byte ${at}`).toBeNull();
    }
  });
});
