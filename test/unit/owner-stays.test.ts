import { describe, expect, it } from "vitest";
import { OwnerStays, type Found } from "../../src/controller/owner-stays.ts";

const free: Found = { isUsed: false, isKnown: true, isResting: false };
const used: Found = { ...free, isUsed: true };
const resting: Found = { ...free, isResting: true };
const unseen: Found = { ...free, isKnown: false };

/** Looks one after the other at a device; before a look, what was told: guests on these devices had to go. */
function looks(...steps: readonly (Found | readonly string[])[]): (string | null)[] {
  const stays = new OwnerStays();
  const words: Record<string, string> = {
    returns: "taken",
    "returns met_returns": "met",
    met_returns: "had_met",
  };
  const begun: (string | null)[] = [];
  for (const step of steps)
    if ("isUsed" in step) begun.push(words[stays.look("gpu", step).join(" ")] ?? null);
    else stays.tell(step);
  return begun;
}

const guest = ["gpu"];
const gang = ["gpu", "other"];

describe("owners' stays on a device", () => {
  it("count once, with a guest found or without", () => {
    expect(looks(free, used, used, free, used)).toEqual([null, "taken", null, null, "taken"]);
    expect(looks(free, guest, used, used, free, guest, used)).toEqual([null, "met", null, null, "met"]);
  });

  it("count where the visit is over by the time of the look", () => {
    expect(looks(free, guest, free, free, guest, free)).toEqual([null, "met", null, "met"]);
  });

  it("are one from the recall to the work that follows it, while the device rests between them", () => {
    const recalled = used;
    expect(looks(free, guest, recalled, resting, resting, used, free)).toEqual([
      null,
      "met",
      null,
      null,
      null,
      null,
    ]);
  });

  it("are known to have found a guest when that is told after they were seen", () => {
    expect(looks(free, used, guest, used, guest, used)).toEqual([null, "taken", "had_met", null]);
  });

  it("of a gang's devices begin where an owner is seen, and not on the others", () => {
    expect(looks(free, gang, used)).toEqual([null, "met"]);
    expect(looks(free, gang, free, used)).toEqual([null, null, "taken"]);
  });

  it("do not begin where the device fell silent, or was used before it was first seen", () => {
    expect(looks(free, guest, unseen, unseen, free)).toEqual([null, null, null, null]);
    expect(looks(used, free, used)).toEqual([null, null, "taken"]);
    expect(looks(free, unseen, used)).toEqual([null, null, null]);
  });
});
