import { readFileSync } from "node:fs";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeText } from "../../src/backtest/write-text.ts";
import { withDirectory } from "../support/backtest/figures.ts";

it("keeps the old file until the new one is whole", async () => {
  await withDirectory(async (dir) => {
    const path = join(dir, "out.csv");
    await writeFile(path, "old");
    const seen: string[] = [];
    function* pieces() {
      for (let piece = 0; piece < 3; piece++) {
        seen.push(readFileSync(path, "utf8"));
        yield "new".repeat(100_000);
      }
    }
    await writeText(path, pieces());
    expect(seen).toEqual(["old", "old", "old"]);
    expect(await readFile(path, "utf8")).toBe("new".repeat(300_000));
    expect(await readdir(dir)).toEqual(["out.csv"]);
  });
});

it("leaves the old file, and nothing else, where the new one is not finished", async () => {
  await withDirectory(async (dir) => {
    const path = join(dir, "out.csv");
    await writeFile(path, "old");
    function* pieces() {
      yield "new";
      throw new Error("no more");
    }
    await expect(writeText(path, pieces())).rejects.toThrow("no more");
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(dir)).toEqual(["out.csv"]);
  });
});
