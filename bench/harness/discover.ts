import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Bench } from "./bench.ts";

const benchDir = join(import.meta.dirname, "..");

/** Names of the benches: the files beside main.ts. */
export async function benchNames(): Promise<string[]> {
  const files = await readdir(benchDir);
  return files
    .filter((file) => file.endsWith(".ts") && file !== "main.ts")
    .map((file) => file.slice(0, -".ts".length))
    .toSorted();
}

export async function loadBench(name: string): Promise<Bench> {
  const module = (await import(pathToFileURL(join(benchDir, `${name}.ts`)).href)) as { default: Bench };
  return module.default;
}
