// Everything that is made from proto/: `generate`, `baseline`, and the checks `lint`, `breaking`, `fresh`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const protoset = "src/gen/gleaner.protoset";
const baseline = "proto/baseline.binpb";

const commands: Record<string, () => void> = {
  generate: () => generateInto("."),

  // Only on purpose: it forgets what the last release promised.
  baseline: () => buf("build", "-o", baseline, "--exclude-source-info"),

  lint: () => buf("lint"),

  breaking: () => buf("breaking", "--against", lastPromise()),

  fresh: () => {
    const dir = mkdtempSync(join(tmpdir(), "gleaner-gen-"));
    try {
      generateInto(dir);
      const diff = spawnSync("diff", ["-r", "src/gen", join(dir, "src/gen")], { stdio: "inherit" });
      if (diff.status !== 0) fail("src/gen is not what proto/ generates: run `npm run proto`");
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
};

function generateInto(dir: string): void {
  buf("generate", "-o", dir);
  // What gRPC server reflection serves.
  buf(
    "build",
    "-o",
    `${join(dir, protoset)}#format=binpb`,
    "--as-file-descriptor-set",
    "--exclude-source-info",
  );
}

// The newest release in this history, or the committed baseline as long as there is none.
function lastPromise(): string {
  const tag = spawnSync("git", ["describe", "--tags", "--abbrev=0", "--match", "v*"], { encoding: "utf8" });
  return tag.status === 0 ? `.git#tag=${tag.stdout.trim()}` : baseline;
}

function buf(...args: string[]): void {
  const { status } = spawnSync(process.execPath, ["node_modules/.bin/buf", ...args], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

process.chdir(join(import.meta.dirname, ".."));
const command = commands[process.argv[2] ?? ""];
if (command) command();
else fail(`usage: scripts/proto.ts ${Object.keys(commands).join(" | ")}`);
