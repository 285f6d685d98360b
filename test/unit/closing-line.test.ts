import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "gleaner-closing-line-"));
  await symlink(join(root, "node_modules"), join(dir, "node_modules"));
});

afterAll(() => rm(dir, { recursive: true, force: true }));

/** The last line of a run of vitest over one file of tests. */
async function closingLine(code: string): Promise<string> {
  await writeFile(join(dir, "one.test.ts"), `import { test } from "vitest";\n${code}\n`);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporter = join(root, "test/support/closing-line-reporter.ts");
  const args = [vitest, "run", "--root", dir, "--reporter", "default", "--reporter", reporter];
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { cwd: dir }, (_, stdout) => resolve(stdout));
  });
  return output.trimEnd().split("\n").at(-1) ?? "";
}

test.each([
  { what: "all pass", code: 'test("a", () => {}); test("b", () => {});', line: "2 passed, 0 failed" },
  {
    what: "each outcome",
    code: 'test("a", () => {}); test("b", () => { throw new Error(); }); test.skip("c", () => {}); test.todo("d");',
    line: "1 passed, 1 failed, 2 skipped",
  },
  {
    what: "a file that does not load",
    code: 'throw new Error("no tests here");',
    line: "0 passed, 1 failed",
  },
  {
    what: "an error outside the tests",
    code: 'test("a", async () => { void Promise.reject(new Error()); });',
    line: "1 passed, 1 failed",
  },
])(
  "the run closes with its counts: $what",
  async ({ code, line }) => {
    expect(await closingLine(code)).toBe(line);
  },
  30_000,
);
