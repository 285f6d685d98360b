// Everything that can be known without running the code. One line a step; a step that fails says the rest.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const steps: Record<string, string[]> = {
  "protos keep their style": ["scripts/proto.ts", "lint"],
  "protos break no promise": ["scripts/proto.ts", "breaking"],
  "src/gen is what the protos generate": ["scripts/proto.ts", "fresh"],
  "types hold": ["node_modules/.bin/tsc"],
  "lint finds nothing, the wall around src/core stands": ["node_modules/.bin/oxlint"],
  "format is the formatter's": ["node_modules/.bin/oxfmt", "--check"],
  "nothing lies unused": ["node_modules/.bin/knip", "--no-progress"],
};

process.chdir(join(import.meta.dirname, ".."));
const failed: string[] = [];
for (const [name, args] of Object.entries(steps)) {
  const startMs = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
  });
  const tookS = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${tookS} s)`);
  if (status === 0) continue;
  failed.push(name);
  process.stdout.write(stdout + stderr);
}
if (failed.length > 0) {
  console.log(`check failed: ${failed.join("; ")}`);
  process.exitCode = 1;
}
