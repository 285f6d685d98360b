import { describe, expect, it } from "vitest";
import { invariantsInSpec, testsInCode, testsInSpec } from "../support/spec-tests.ts";

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

  it("knows each invariant that a test names", () => {
    const known = new Set(invariantsInSpec());
    expect(testsInCode().filter(({ invariant }) => !known.has(invariant))).toEqual([]);
  });
});
