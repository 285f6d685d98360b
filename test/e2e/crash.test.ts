import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { processesNaming } from "../../src/cli/processes.ts";
import { runCli } from "../support/cli.ts";
import type { OracleLine } from "../support/oracle-guest.ts";
import { startUp, until } from "../support/up.ts";

const guestCount = 10;
const ticks = 60;
const tickMs = 100;

/** One attempt, as the guest itself told it. */
interface Attempt extends Pick<OracleLine, "guest" | "attempt" | "device"> {
  fromMs: number;
  toMs: number;
}

it("I3, I4: kill -9 of the controller in the middle of the work loses no guest, doubles none, and what runs goes on", async () => {
  await using up = await startUp(["--agents", "2"]);
  const env = { GLEANER_ADDRESS: up.apiAddress };
  const oracle = join(up.dataDir, "oracle.jsonl");
  const guest = join(import.meta.dirname, "../support/oracle-guest.ts");
  const command = [process.execPath, guest, oracle, String(ticks), String(tickMs)];
  const submitted = await runCli(
    ["submit", "--tenant", "oracle", "--name", "o", "--count", String(guestCount), "--", ...command],
    { env },
  );
  const ids = submitted.stdout.trim().split("\n");
  expect(ids).toHaveLength(guestCount);

  await until("several guests work", () => new Set(read(oracle).map((line) => line.guest)).size >= 4);
  const killedAtMs = Date.now();
  process.kill(up.pids["controller"]!, "SIGKILL");
  const restart = /controller ended \(SIGKILL\); starting it again/;
  await until("it is started again", () => up.said.some((line) => restart.test(line)));
  await until("it serves again", async () => (await runCli(["jobs"], { env })).code === 0);
  const servedAtMs = Date.now();

  const jobs = ["jobs", "--all", "--json", "--tenant", "oracle"];
  const guests = await until(
    "all have ended",
    async () => {
      const { guests } = JSON.parse((await runCli(jobs, { env })).stdout) as {
        guests: { id: string; state: string }[];
      };
      return guests.every(({ state }) => state === "succeeded") && guests;
    },
    90_000,
  );
  expect(guests.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());

  const lines = read(oracle);
  expect(
    lines
      .filter(({ what }) => what === "end")
      .map((line) => line.guest)
      .toSorted(),
  ).toEqual(ids.toSorted());
  const attempts = attemptsOf(lines);
  for (const [key, kind] of [
    ["guest", "a guest ran twice at once"],
    ["device", "two guests were on one device at once"],
  ] as const)
    for (const group of Map.groupBy(attempts, (attempt) => attempt[key]).values())
      expect(overlaps(group), kind).toEqual([]);
  const adopted = attempts.filter(({ fromMs, toMs }) => fromMs < killedAtMs && toMs > servedAtMs);
  expect(adopted.length, "attempts that went on through the crash").toBeGreaterThan(0);

  const report = JSON.parse((await runCli(["report", "--json"], { env })).stdout) as { balanced: boolean };
  expect(report.balanced).toBe(true);
  expect(await up.stop()).toBe(0);
  expect(processesNaming(up.dataDir)).toEqual([]);
});

it("leaves no process when `gleaner up` itself is killed: its children see it and end, guests first", async () => {
  await using up = await startUp([]);
  const env = { GLEANER_ADDRESS: up.apiAddress };
  await runCli(["submit", "--tenant", "a", "--count", "8", "--", "sleep", "300"], { env });
  const jobs = ["jobs", "--state", "running", "--json"];
  await until("guests run", async () => (await runCli(jobs, { env })).stdout.includes('"running"'));
  up.kill();
  await until("all are gone", () => processesNaming(up.dataDir).length === 0);
});

function read(oracle: string): OracleLine[] {
  if (!existsSync(oracle)) return [];
  const whole = readFileSync(oracle, "utf8").split("\n").slice(0, -1);
  return whole.map((line) => JSON.parse(line) as OracleLine);
}

function attemptsOf(lines: readonly OracleLine[]): Attempt[] {
  const attempts = new Map<string, Attempt>();
  for (const { guest, attempt, device, atMs } of lines) {
    const key = `${guest}:${attempt}`;
    const known = attempts.get(key);
    if (known === undefined) attempts.set(key, { guest, attempt, device, fromMs: atMs, toMs: atMs });
    else known.toMs = atMs;
  }
  return [...attempts.values()];
}

function overlaps(attempts: readonly Attempt[]): [Attempt, Attempt][] {
  const inOrder = attempts.toSorted((a, b) => a.fromMs - b.fromMs);
  return inOrder.slice(1).flatMap((next, index) => {
    const before = inOrder[index]!;
    return next.fromMs < before.toMs ? [[before, next] satisfies [Attempt, Attempt]] : [];
  });
}
