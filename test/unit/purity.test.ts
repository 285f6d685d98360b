import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

/** What may not stand in src/core, and a part of what the linter must say to it. */
const violations: readonly [code: string, says: string][] = [
  ['import fs from "node:fs"; export const x = fs;', "imports only src/core"],
  ['import { z } from "zod"; export const x = z;', "imports only src/core"],
  ['import type { Stats } from "node:fs"; export type X = Stats;', "imports only src/core"],
  ['import { x } from "../store/leases.ts"; export const y = x;', "imports only src/core"],
  ['import { x } from "./../store/leases.ts"; export const y = x;', "imports only src/core"],
  ['import { x } from "../core-like/leases.ts"; export const y = x;', "imports only src/core"],
  ['import "../store/leases.ts";', "imports only src/core"],
  ['export { x } from "../store/leases.ts";', "imports only src/core"],
  ['export * from "node:path";', "imports only src/core"],
  ['export const x = () => import("node:os");', "imports only src/core"],
  ['export type X = import("node:os").CpuInfo;', "imports only src/core"],
  ["export const x = import.meta.url;", "pass the path in"],
  ["export const x = Date.now();", "pass nowMs in"],
  ["export const x = new Date(0);", "pass nowMs in"],
  ["export const x = (at: Date) => at;", "numbers of ms"],
  ["export const x = performance.now();", "pass nowMs in"],
  ["setTimeout(() => 1, 1);", "return when to be called again"],
  ["setInterval(() => 1, 1);", "return when to be called again"],
  ["setImmediate(() => 1);", "return when to be called again"],
  ["queueMicrotask(() => 1);", "return a value"],
  ["export const x = process.pid;", "pass the setting in"],
  ["export const x = process.env;", "pass the setting in"],
  ["export const x = crypto.randomUUID();", "pass a Random in"],
  ["export const x = Math.random();", "pass a Random in"],
  ['export const x = Math["random"]();', "pass a Random in"],
  ["export const { random } = Math;", "pass a Random in"],
  ["export const x = [1].map(Math.random);", "pass a Random in"],
  ["console.log(1);", "return what is to be said"],
  ["export const x = globalThis.Date;", "pass the thing in"],
  ['export const x = fetch("http://localhost");', "pass the data in"],
  ["export const x = Buffer.alloc(1);", "use Uint8Array"],
];

const pure = [
  'export * from "./matching/match.ts";',
  'import type { Lease } from "./lease.ts"; export type X = Lease;',
  "export const x = structuredClone({ atMs: 1 });",
  "export const x = (nowMs: number, random: { next(): number }) => Math.floor(random.next() * nowMs);",
];

interface Diagnostic {
  readonly message: string;
  readonly help?: string;
  readonly filename: string;
}

let dir: string;
let found: Map<string, string[]>;

const violationFile = (index: number) => `src/core/violation-${index}.ts`;
const pureFile = (index: number) => `src/core/pure-${index}.ts`;
const nestedGood = "src/core/deep/er/good.ts";
const nestedBad = "src/core/deep/er/bad.ts";
const edge = "src/runtime/clock.ts";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "gleaner-purity-"));
  await cp(join(root, ".oxlintrc.json"), join(dir, ".oxlintrc.json"));
  await cp(join(root, "tsconfig.json"), join(dir, "tsconfig.json"));
  await cp(join(root, "scripts/lint"), join(dir, "scripts/lint"), { recursive: true });
  await symlink(join(root, "node_modules"), join(dir, "node_modules"));
  const files: [string, string][] = [
    ...violations.map(([code], index): [string, string] => [violationFile(index), code]),
    ...pure.map((code, index): [string, string] => [pureFile(index), code]),
    [nestedGood, 'import type { Lease } from "../../lease.ts"; export type X = Lease;'],
    [nestedBad, 'import type { Lease } from "../../../lease.ts"; export type X = Lease;'],
    [edge, 'import { cpus } from "node:os"; export const x = [Date.now(), Math.random(), cpus()];'],
  ];
  for (const [name, code] of files) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), `${code}\n`);
  }
  found = await lint();
});

afterAll(() => rm(dir, { recursive: true, force: true }));

/** Runs oxlint with the repository's own configuration; what it says, by file. */
async function lint(): Promise<Map<string, string[]>> {
  const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [oxlint, "--format=json", "src"], { cwd: dir }, (_, stdout) =>
      resolve(stdout),
    );
  });
  const { diagnostics } = JSON.parse(output) as { diagnostics: Diagnostic[] };
  const byFile = Map.groupBy(diagnostics, (diagnostic) => diagnostic.filename);
  return new Map(
    [...byFile].map(([file, list]) => [file, list.map(({ message, help }) => `${message} ${help ?? ""}`)]),
  );
}

const saidOf = (file: string) => found.get(file)?.join("\n") ?? "";

describe("the wall around src/core", () => {
  test.each(violations.map(([code, says], index) => ({ code, says, index })))(
    "refuses $code",
    ({ says, index }) => {
      expect(saidOf(violationFile(index))).toContain(says);
    },
  );

  test.each(pure.map((code, index) => ({ code, index })))("lets $code pass", ({ index }) => {
    expect(saidOf(pureFile(index))).toBe("");
  });

  test("knows how deep a file lies", () => {
    expect(saidOf(nestedGood)).toBe("");
    expect(saidOf(nestedBad)).toContain("imports only src/core");
  });

  test("stands around src/core alone", () => {
    expect(saidOf(edge)).toBe("");
  });
});
