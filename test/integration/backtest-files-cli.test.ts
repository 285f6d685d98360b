import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, readFile, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { withDirectory } from "../support/backtest/figures.ts";
import { gleaner, runCli, type CliRun } from "../support/cli.ts";

const sample = new URL("../../examples/sample.devices.csv.gz", import.meta.url).pathname;
const policy = ["--policy", "lend-all"];
const before = "what an earlier run wrote\n";

/** The command in a line of bash, where `gleaner` is `"$0"`, the sample `"$1"` and the directory `"$2"`. */
function runShell(line: string, dir = "/"): Promise<CliRun> {
  return new Promise((resolve) => {
    const { PATH = "", HOME = "/" } = process.env;
    execFile("bash", ["-c", line, gleaner, sample, dir], { env: { PATH, HOME } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** What the command prints of the sample. */
async function printed(...words: readonly string[]): Promise<string> {
  const { code, stdout } = await runCli(["backtest", "--trace", sample, ...policy, ...words]);
  expect(code).toBe(0);
  return stdout;
}

describe("a file that a backtest would write over", () => {
  it.each([
    ["--decisions", "t.gz", "--trace", ["--trace", "t.gz", "--decisions", "t.gz"]],
    ["--html", "./sub/../t.gz", "--trace", ["--trace", "t.gz", "--html", "./sub/../t.gz"]],
    ["--html", "link", "--trace", ["--trace", "t.gz", "--html", "link"]],
    ["--decisions", "t.gz", "--trace", ["--trace", "link", "--decisions", "t.gz"]],
    ["--html", "sub/t.gz", "--trace", ["--trace", "t.gz", "--html", "sub/t.gz"]],
    ["--decisions", "g.csv", "--guests", ["--trace", "t.gz", "--guests", "g.csv", "--decisions", "g.csv"]],
    ["--html", "sub/new", "--decisions", ["--trace", "t.gz", "--decisions", "new", "--html", "sub/new"]],
    ["--html", "new", "--decisions", ["--trace", "t.gz", "--decisions", "dangling", "--html", "new"]],
    ["--decisions", "k", "--keep", ["--keep", "k", "--decisions", "k"]],
    ["--html", "k.json", "the record of --keep", ["--keep", "k", "--html", "k.json"]],
    ["--keep", "g.csv", "--guests", ["--keep", "g.csv", "--guests", "g.csv"]],
  ])("is refused before it is read: %s %s, %s", async (output, path, other, words) => {
    await withDirectory(async (dir) => {
      await copyFile(sample, join(dir, "t.gz"));
      await writeFile(join(dir, "g.csv"), "submit_s,duration_s\n0,600\n");
      await symlink("t.gz", join(dir, "link"));
      await symlink("new", join(dir, "dangling"));
      await symlink(".", join(dir, "sub"));
      const names = (await readdir(dir)).toSorted();
      const prometheus = words.includes("--trace")
        ? []
        : ["--prometheus", "http://127.0.0.1:1", "--since", "1h"];
      const { code, stderr } = await runCli(["backtest", ...prometheus, ...words, ...policy], { cwd: dir });
      expect(stderr).toMatch(/^error COMMAND_INVALID: /);
      expect(stderr).toContain(`${output} ${path} is the same file as ${other}`);
      expect(code).toBe(2);
      expect((await readFile(join(dir, "t.gz"))).equals(await readFile(sample))).toBe(true);
      expect((await readdir(dir)).toSorted()).toEqual(names);
    });
  });

  it("is none where it is no file", async () => {
    const table = await printed("--decisions", "/dev/null", "--html", "/dev/null");
    expect(table).toBe(await printed());
  });
});

describe("a backtest's outputs", () => {
  it("go to stdout before the table, whatever it is", async () => {
    await withDirectory(async (dir) => {
      const [path, table] = [join(dir, "out.csv"), await printed()];
      await printed("--decisions", path);
      const both = (await readFile(path, "utf8")) + table;
      expect(await printed("--decisions", "/dev/stdout")).toBe(both);
      const command = '"$0" backtest --trace "$1" --policy lend-all --decisions /dev/stdout';
      expect((await runShell(`${command} | cat`)).stdout).toBe(both);
      expect(await runShell(`${command} > "$2/all"`, dir)).toMatchObject({ code: 0, stderr: "" });
      expect(await readFile(join(dir, "all"), "utf8")).toBe(both);
      const substituted = '"$0" backtest --trace "$1" --policy lend-all --decisions >(cat) > /dev/null';
      expect((await runShell(substituted)).stdout + table).toBe(both);
    });
  });

  it("take the place of an old file whole, with its mode and through its links, and leave nothing beside it", async () => {
    await withDirectory(async (dir) => {
      await writeFile(join(dir, "old.csv"), before);
      await chmod(join(dir, "old.csv"), 0o606);
      await symlink("old.csv", join(dir, "link.csv"));
      await printed("--decisions", join(dir, "link.csv"));
      await printed("--decisions", join(dir, "new.csv"));
      expect((await readdir(dir)).toSorted()).toEqual(["link.csv", "new.csv", "old.csv"]);
      expect((await stat(join(dir, "old.csv"))).mode & 0o777).toBe(0o606);
      const decisions = await readFile(join(dir, "new.csv"), "utf8");
      expect(decisions).toMatch(/^time_s,device,action,reason\n/);
      expect(await readFile(join(dir, "old.csv"), "utf8")).toBe(decisions);
    });
  });

  it("leave the old file or none where there is no room", async () => {
    await withDirectory(async (dir) => {
      await writeFile(join(dir, "old.html"), before);
      for (const name of ["old.html", "new.html"]) {
        // 8 KiB is the most that a file may have; the report takes more.
        const command = `ulimit -f 8; NODE_COMPILE_CACHE= "$0" backtest --trace "$1" --policy lend-all --html "$2/${name}"`;
        const { code, stdout, stderr } = await runShell(command, dir);
        expect(stderr).toMatch(/^error FILE_UNWRITABLE: .*\.html: EFBIG/);
        expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      }
      expect(await readdir(dir)).toEqual(["old.html"]);
      expect(await readFile(join(dir, "old.html"), "utf8")).toBe(before);
    });
  });

  it.each(["--decisions", "--html"])(
    "%s that cannot be written is refused before the trace is read",
    async (option) => {
      await withDirectory(async (dir) => {
        await mkdir(join(dir, "sub"));
        const refusals = [
          ["none/out", "ENOENT"],
          ["sub", "EISDIR"],
          ["", "ENOENT"],
          ["sub/none/", "ENOENT"],
        ] as const;
        for (const [path, problem] of refusals) {
          const words = ["--trace", "nowhere.csv", ...policy, option, path];
          const { code, stderr } = await runCli(["backtest", ...words], { cwd: dir });
          expect(stderr).toMatch(new RegExp(`^error FILE_UNWRITABLE: ${path}: ${problem}`));
          expect(code).toBe(2);
        }
        expect(await readdir(dir)).toEqual(["sub"]);
      });
    },
  );

  // Root may write everywhere.
  it.skipIf(process.getuid?.() === 0)("are refused where permissions are missing", async () => {
    await withDirectory(async (dir) => {
      await mkdir(join(dir, "shut"), { mode: 0o500 });
      await writeFile(join(dir, "old.csv"), before, { mode: 0o400 });
      for (const path of ["shut/new.csv", "old.csv"]) {
        const words = ["--trace", "nowhere.csv", ...policy, "--decisions", path];
        const { stderr } = await runCli(["backtest", ...words], { cwd: dir });
        expect(stderr).toMatch(/^error FILE_UNWRITABLE: .*EACCES/);
      }
    });
  });
});

describe("standard output", () => {
  it.each([
    'backtest --trace "$1" --policy lend-all',
    'backtest --trace "$1" --policy lend-all --json',
    "--help",
  ])("that is full is said in one line: gleaner %s", async (words) => {
    const { code, stderr } = await runShell(`"$0" ${words} > /dev/full`);
    expect(code).toBe(1);
    const lines = stderr.trim().split("\n");
    expect(stderr).toMatch(/FILE_UNWRITABLE.*standard output: ENOSPC/);
    expect(lines).toHaveLength(words.includes("--json") ? 1 : 2);
  });

  it("that nobody reads any more is no failure", async () => {
    const line = '"$0" backtest --trace "$1" --policy lend-all --json | true; exit ${PIPESTATUS[0]}';
    expect(await runShell(line)).toEqual({ code: 0, stdout: "", stderr: "" });
  });
});

describe("a trace", () => {
  it.each([
    ['zcat "$1" | "$0" backtest --policy lend-all --trace /dev/stdin'],
    ['cat "$1" | "$0" backtest --policy lend-all --trace /dev/stdin'],
    ['"$0" backtest --policy lend-all --trace <(zcat "$1")'],
    ['"$0" backtest --policy lend-all --trace /dev/stdin < "$1"'],
  ])("may come from a pipe: %s", async (line) => {
    expect(await runShell(line)).toEqual({ code: 0, stdout: await printed(), stderr: "" });
  });

  it.each([
    ["breaks off", (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ["has another checksum", (bytes: Buffer) => Buffer.from(bytes).fill(0xff, bytes.length - 8)],
  ])("of gzip that %s is called damaged", async (_, damage) => {
    await withDirectory(async (dir) => {
      const path = join(dir, "t.csv.gz");
      await writeFile(path, damage(await readFile(sample)));
      const { code, stderr } = await runCli(["backtest", "--trace", path, ...policy]);
      expect(stderr).toMatch(/^error FILE_DAMAGED: .*t\.csv\.gz: .*damaged or breaks off/);
      expect(stderr).not.toContain("permissions");
      expect(code).toBe(2);
    });
  });
});
