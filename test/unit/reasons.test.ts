import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { reasonCodes, reasonNumber, reasons, type ReasonCode } from "../../src/core/reasons.ts";

it("docs/reasons.md lists every reason with its sentence, and no other", async () => {
  const text = await readFile(join(import.meta.dirname, "../../docs/reasons.md"), "utf8");
  const listed = [...text.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, code, sentence]) => [
    code,
    sentence,
  ]);
  expect(listed).toEqual(Object.entries(reasons));
});

it("names each reason by one number, and none by 0", () => {
  for (const code of Object.keys(reasons) as ReasonCode[]) {
    expect(reasonNumber(code)).toBeGreaterThan(0);
    expect(reasonNumber(code)).toBeLessThan(256);
    expect(reasonCodes[reasonNumber(code)]).toBe(code);
  }
});
