import { describe, expect, it } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { boundsInSpec, invariantsInSpec, testsInCode, testsInSpec } from "../support/spec-tests.ts";

const line = ({ invariant, name, file }: { invariant: string; name: string; file: string }) =>
  `${invariant} | ${name} | ${file}`;

describe("docs/SPEC.md", () => {
  it("lists every test that proves an invariant, and no other (npm run spec writes it anew)", () => {
    expect(testsInSpec().map(line).toSorted()).toEqual(testsInCode().map(line).toSorted());
  });

  it("has at least one test for each invariant", () => {
    const proven = new Set(testsInCode().map(({ invariant }) => invariant));
    expect(invariantsInSpec().filter((invariant) => !proven.has(invariant))).toEqual([]);
  });

  it("names for each bound of I11 a test that drives it to its limit, and each such test stands at its bound", () => {
    const bounds = boundsInSpec();
    const named = bounds.flatMap(({ what, tests }) => tests.map((test) => `${what}: ${test}`));
    expect(named.toSorted()).toEqual([...new Set(named)].toSorted());
    const ofI11 = testsInCode().filter(({ invariant }) => invariant === "I11");
    const names = ofI11.map(({ name }) => name.slice(name.indexOf(": ") + 2));
    expect(new Set(bounds.flatMap(({ tests }) => tests))).toEqual(new Set(names));
  });

  it("names at the bounds of I11 settings that exist", () => {
    const settings = parseSettings({}, "test") as unknown as Record<string, Record<string, unknown>>;
    const paths = boundsInSpec().flatMap((bound) => bound.settings);
    expect(paths.length).toBeGreaterThan(10);
    for (const path of paths) {
      const [group = "", name = ""] = path.split(".");
      expect([path, typeof settings[group]?.[name]]).toEqual([path, "number"]);
    }
  });

  it("knows each invariant that a test names", () => {
    const known = new Set(invariantsInSpec());
    expect(testsInCode().filter(({ invariant }) => !known.has(invariant))).toEqual([]);
  });
});
