import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const examples = join(import.meta.dirname, "../../examples");
let dir: string;
let children: ChildProcess[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "gleaner-examples-"));
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(dir, { recursive: true });
});

interface Guest {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Resolves at the first output that contains this. */
  said(words: string): Promise<void>;
  readonly ended: Promise<number | null>;
}

function start(file: string, args: string[], env: Record<string, string> = {}): Guest {
  const child = spawn(process.execPath, [join(examples, file), ...args], {
    env: { ...process.env, GLEANER_CHECKPOINT_DIR: join(dir, "checkpoints"), ...env },
  });
  children.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  return {
    child,
    output: () => output,
    async said(words) {
      while (!output.includes(words)) await once(child.stdout, "data");
    },
    ended: once(child, "close").then(([code]) => code as number | null),
  };
}

describe("examples/train.mjs", () => {
  /** Throws for a checkpoint that is not whole. */
  const state = async () => {
    const text = await readFile(join(dir, "checkpoints/train.json"), "utf8").catch(
      () => '{"step":0,"loss":1}',
    );
    return JSON.parse(text) as { step: number; loss: number };
  };

  it("trains, says its loss and exits 0", async () => {
    const guest = start("train.mjs", ["--steps", "300", "--step-ms", "0"]);
    expect(await guest.ended).toBe(0);
    expect(guest.output()).toMatch(/^starts at step 0\ndone at step 300 of 300, loss 0\.\d+\n$/);
    expect((await state()).loss).toBeLessThan(0.6);
  });

  it("leaves with exit 85 on SIGTERM, goes on where it was, and ends as if nobody had interrupted it", async () => {
    const args = ["--steps", "200", "--step-ms", "5"];
    const first = start("train.mjs", args, { GLEANER_CHECKPOINT_INTERVAL_S: "0.01" });
    while ((await state()).step === 0);
    first.child.kill("SIGTERM");
    expect(await first.ended).toBe(85);
    const left = await state();
    expect(left.step).toBeGreaterThan(0);
    expect(left.step).toBeLessThan(200);

    const second = start("train.mjs", args);
    expect(await second.ended).toBe(0);
    expect(second.output()).toContain(`resumes at step ${left.step},`);
    const uninterrupted = start("train.mjs", args, { GLEANER_CHECKPOINT_DIR: join(dir, "other") });
    await uninterrupted.ended;
    expect(second.output().split("\n").at(-2)).toBe(uninterrupted.output().split("\n").at(-2));
  });

  it("checkpoints at the interval it is told, whole ones only", async () => {
    const guest = start("train.mjs", ["--steps", "100000", "--step-ms", "1"], {
      GLEANER_CHECKPOINT_INTERVAL_S: "0.01",
    });
    await guest.said("starts");
    const steps = new Set<number>();
    while (steps.size < 5) steps.add((await state()).step);
    guest.child.kill("SIGKILL");
    await guest.ended;
    expect((await state()).step).toBeGreaterThan(0);
  });

  it("fails, rather than begin anew, on a checkpoint that it cannot read", async () => {
    await start("train.mjs", ["--steps", "1"]).ended;
    await writeFile(join(dir, "checkpoints/train.json"), "{");
    const guest = start("train.mjs", ["--steps", "1"]);
    expect(await guest.ended).toBe(1);
    expect(guest.output()).toContain("unreadable");
  });
});

describe("examples/tick.mjs", () => {
  const events = async (path: string) =>
    (await readFile(path, "utf8"))
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]);

  it("leaves a trail by which one sees when it stopped, and checkpoints before it leaves", async () => {
    const path = join(dir, "ticks");
    const guest = start("tick.mjs", [path, "--checkpoint-mb", "2"], { GLEANER_CHECKPOINT_DIR: dir });
    const count = async () =>
      (await events(path).catch(() => [])).filter(([, event]) => event === "tick").length;
    while ((await count()) < 20);
    guest.child.kill("SIGUSR2");
    while (!(await events(path)).some(([, event]) => event === "asleep"));
    const asleep = await count();
    guest.child.kill("SIGTERM");
    expect(await guest.ended).toBe(85);
    const trail = await events(path);
    expect(trail.map(([, event]) => event).filter((event) => event !== "tick")).toEqual([
      "start",
      "asleep",
      "sigterm",
      "checkpointed",
    ]);
    expect(await count()).toBe(asleep);
    const times = trail.map(([time]) => BigInt(time));
    expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : 1)));
    expect((await readdir(dir)).toSorted()).toEqual(["tick.bin", "ticks"]);
  });
});
