import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OwnerView } from "../../src/core/idleness.ts";
import { judgeMemory } from "../../src/core/memory-proof.ts";

const rules = { memoryToleranceMib: 256, memoryProofMs: 60_000, sampleIntervalMs: 15_000 };
const claim = { beforeMib: 1_000, endedAtMs: 100_000 };
const idle: OwnerView = { state: "idle", reason: "all_signals_zero", sinceMs: 0 };
const busy: OwnerView = { state: "busy", reason: "util_above_zero", sinceMs: 0 };
const stepped: OwnerView = { state: "busy", reason: "memory_step", sinceMs: 0 };
const unknown: OwnerView = { state: "unknown", reason: "stale", sinceMs: 0 };

const word = (afterMs: number, memoryUsedMib: number | null, owner = idle) =>
  judgeMemory(claim, { atMs: claim.endedAtMs + afterMs, memoryUsedMib }, owner, rules).word;

describe("the memory of a device after its last guest", () => {
  it("I10: is given back when a reading that is surely newer than the end shows what was used before", () => {
    expect(word(15_000, 1_000)).toBe("open");
    expect(word(15_001, 1_256)).toBe("proven");
    expect(word(15_001, 1_257)).toBe("open");
  });

  it("I10: is not given back when it stands above that on an idle device, and the reason has the numbers", () => {
    expect(word(59_999, 9_000)).toBe("open");
    const verdict = judgeMemory(claim, { atMs: 160_000, memoryUsedMib: 9_000 }, idle, rules);
    expect(verdict).toMatchObject({
      word: "unproven",
      reason: expect.stringMatching(/60 s.*9000 MiB.*1000 MiB/),
    });
  });

  it("I6, I10: is not proven by a reading that is missing, nor by one at which nothing is known of the owner", () => {
    expect(word(59_999, null)).toBe("open");
    expect(word(60_000, null)).toBe("unproven");
    expect(word(60_000, 1_000, unknown)).toBe("open");
  });

  it("is the owner's once the owner works, but not by what may be the guest's own last work", () => {
    expect(word(15_000, 9_000, busy)).toBe("open");
    expect(word(15_001, 9_000, busy)).toBe("owners");
    expect(word(15_001, 9_000, stepped)).not.toBe("owners");
  });

  it("I10: proves nothing while a guest is there, nor before its end, whatever is read", () => {
    const sample = { atMs: fc.nat(115_000), memoryUsedMib: fc.option(fc.nat(80_000)) };
    fc.assert(
      fc.property(fc.record(sample), fc.constantFrom(idle, busy, stepped, unknown), (read, owner) => {
        expect(judgeMemory(claim, read, owner, rules).word).toBe("open");
        const lent = { ...claim, endedAtMs: null };
        expect(judgeMemory(lent, { ...read, atMs: read.atMs + 1e9 }, owner, rules).word).toBe("open");
      }),
    );
  });
});
