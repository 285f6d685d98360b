import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { RuntimeKind } from "../../src/agent/runtime/process-group.ts";
import { AgentRig, fileSays, gpu, sh, testSettings } from "../support/agent/agent-rig.ts";
import { KeeperRig } from "../support/agent/keeper-rig.ts";

const patient = sh(
  'cd "$GLEANER_CHECKPOINT_DIR"; echo $$ > pid; until [ -e go ]; do sleep 0.01; done; exit 7',
);
const kinds: RuntimeKind[] = ["cgroup-v2", "cgroup-v1", "process-tree"];
const isRoot = process.getuid?.() === 0;

async function startPatient(rig: AgentRig, guestId: string, device: string, number: number): Promise<number> {
  rig.controller.start({ guestId, command: patient, devices: [device], number, noticeMs: 300 });
  await rig.controller.reached(`${guestId}:1`, "running");
  return Number(await fileSays(rig.checkpointFile(guestId, "pid"), (text) => text.endsWith("\n")));
}

/** What a crash of the host, or a hand that slipped, leaves of a file. */
const damages: readonly (readonly [name: string, damage: (text: string) => string | Buffer])[] = [
  ["half of it", (text) => text.slice(0, text.length / 2)],
  ["nothing in it", () => ""],
  ["garbage", () => Buffer.from([0, 255, 254, 10, 123, 0])],
  ["JSON of another shape", () => '{"version":1}'],
];

describe("what an agent finds in its directory", () => {
  it.each(damages)("I10: a lease's state with %s ends its guest, and nobody else's", async (_, damage) => {
    await using rig = await AgentRig.up();
    const lost = await startPatient(rig, "g1", gpu[0], 1);
    const other = await startPatient(rig, "g2", gpu[1], 2);
    await rig.stopAgent();
    const state = join(rig.dir, "agent/guests/g1/1/state.json");
    writeFileSync(state, damage(readFileSync(state, "utf8")));
    rig.controller.received.length = 0;
    await rig.startAgent();
    await rig.known();
    expect([rig.isAlive(lost), rig.isAlive(other)]).toEqual([false, true]);
    expect(rig.controller.all("hello")[0]!.leases.map(({ leaseId }) => leaseId)).toEqual(["g2:1"]);
  });

  it.each(
    ["fence.json", "recalls.json"].flatMap((file) =>
      damages.map(([name, damage]) => [file, name, damage] as const),
    ),
  )("I2: %s with %s is refused by name, and nothing is touched", async (file, _, damage) => {
    await using rig = await AgentRig.up({}, (controller) => {
      controller.acknowledges = false;
    });
    const pid = await startPatient(rig, "g1", gpu[0], 1);
    await rig.stopAgent();
    const path = join(rig.dir, "agent", file);
    const kept = existsSync(path) ? readFileSync(path, "utf8") : '{"version":1,"standing":[]}';
    writeFileSync(path, damage(kept));
    await expect(rig.startAgent()).rejects.toMatchObject({
      code: "AGENT_STATE_UNREADABLE",
      details: { path },
    });
    expect(rig.isAlive(pid)).toBe(true);
    if (file === "fence.json") writeFileSync(path, kept);
    else rmSync(path);
    await rig.startAgent();
    await rig.known();
    expect(rig.isAlive(pid)).toBe(true);
  });

  it.each(damages)("a renewal with %s costs at most what is left of a term", async (_, damage) => {
    await using rig = await AgentRig.up();
    const pid = await startPatient(rig, "g1", gpu[0], 1);
    const path = join(rig.dir, "agent/renewal.json");
    await fileSays(path, (text) => text.includes("g1:1"));
    await rig.stopAgent();
    writeFileSync(path, damage(readFileSync(path, "utf8")));
    rig.controller.received.length = 0;
    await rig.startAgent();
    await rig.known();
    expect(rig.isAlive(pid)).toBe(true);
  });

  it.each([
    ["no number", "seven\n"],
    ["too much", "7 and a half\n"],
    ["no end of its line", "7"],
  ])("an exit status that is %s counts as a kill", async (_, text) => {
    await using rig = await AgentRig.up();
    await startPatient(rig, "g1", gpu[0], 1);
    await rig.stopAgent();
    rig.touch(rig.checkpointFile("g1", "go"));
    await rig.processesEnded("g1");
    writeFileSync(join(rig.dir, "agent/exits/g1.1"), text);
    await rig.startAgent();
    expect(await rig.controller.reached("g1:1", "released")).toMatchObject({
      mover: "guest",
      end: { exitCode: null, exitSignal: "SIGKILL" },
    });
  });
});

describe("a guest that", () => {
  it.each(kinds)(
    "forks away twice into a session of its own is ended with what it left (%s)",
    async (runtime) => {
      await using rig = await AgentRig.up({ runtime });
      const script =
        '( setsid sh -c \'trap "" TERM; echo $$ > "$GLEANER_CHECKPOINT_DIR/away"; while :; do sleep 0.01; done\' & ) ; while [ ! -s "$GLEANER_CHECKPOINT_DIR/away" ]; do sleep 0.01; done; exit 0';
      rig.controller.start({ guestId: "g1", command: sh(script), devices: [gpu[0]], number: 1 });
      const away = Number(await fileSays(awayFile(rig), (text) => text.endsWith("\n")));
      const step = await rig.controller.reached("g1:1", "released");
      expect(step).toMatchObject({ mover: "guest", end: { exitCode: 0 } });
      expect(rig.isAlive(away)).toBe(false);
    },
  );

  it("floods its log keeps neither the disk nor the agent's loop busy", async () => {
    await using rig = await AgentRig.up();
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const script = "for i in 1 2 3 4 5 6 7 8; do head -c 8000000 /dev/zero; done; echo end; sleep 60";
    rig.controller.start({ guestId: "g1", command: sh(script), devices: [gpu[0]], number: 1, noticeMs: 0 });
    await rig.controller.reached("g1:1", "running");
    const dir = join(rig.dir, "agent/guests/g1/1");
    const size = () =>
      readdirSync(dir)
        .filter((name) => name.startsWith("log"))
        .reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    await fileSays(join(dir, "log.dropped"), (text) => Number(text) > 60_000_000);
    delay.disable();
    expect(size()).toBeLessThanOrEqual(testSettings.agent.logBytesMax + 100);
    expect(delay.max / 1e6).toBeLessThan(500);
  });

  it.runIf(isRoot)(
    "fills the disk starts nobody else and loses nothing, owners come first, and it heals",
    async () => {
      await using rig = new KeeperRig();
      mkdirSync(rig.dataDir);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "gleaner-test", rig.dataDir]);
      try {
        await rig.start({ termMs: 1_500, deadlineMs: 4_000 });
        const pid = await startPatient(rig, "g1", gpu[0], 1);
        writeFull(join(rig.dataDir, "fill"));
        // Three terms, each renewed: neither the agent nor the keeper ends it.
        const renewals = rig.controller.all("renewTerms").length;
        await rig.controller.until(() => rig.controller.all("renewTerms").length >= renewals + 30);
        expect(rig.isAlive(pid)).toBe(true);
        const refused = rig.controller.start({
          guestId: "g2",
          command: patient,
          devices: [gpu[1]],
          number: 2,
        });
        expect((await rig.controller.result(refused)).outcome).not.toBe("COMMAND_OUTCOME_DONE");
        const demand = { recallId: "r1", deadlineMs: 2_000, hintTtlMs: 0 };
        rig.controller.command("pause", "g1:1", { demand });
        const released = await rig.controller.reached("g1:1", "released");
        expect(released).toMatchObject({ mover: "owner", recallId: "r1" });
        expect(rig.isAlive(pid)).toBe(false);

        rmSync(join(rig.dataDir, "fill"));
        await startPatient(rig, "g3", gpu[1], 3);
      } finally {
        await rig.endKeeper("SIGTERM");
        execFileSync("umount", ["--lazy", rig.dataDir]);
      }
    },
  );
});

describe("a process that will not die", () => {
  const freezer = "/sys/fs/cgroup/freezer";
  const stuck = join(freezer, `gleaner-test-${process.pid}`);

  afterEach(() => {
    if (existsSync(stuck)) writeFileSync(join(stuck, "freezer.state"), "THAWED");
  });

  it("I10: quarantines its device until it is gone", async ({ skip }) => {
    if (!isRoot || !existsSync(join(freezer, "cgroup.procs"))) skip("needs the v1 freezer, as root");
    await using rig = await AgentRig.up({ runtime: "cgroup-v2" });
    const pid = await startPatient(rig, "g1", gpu[0], 1);
    await stick(pid);
    rig.controller.command("kill", "g1:1", { demand: undefined, reason: "a test" });
    const step = await rig.controller.reached("g1:1", "quarantined");
    expect(step).toMatchObject({
      detail: `processes are left ${testSettings.recall.proofMs} ms after SIGKILL`,
    });
    const start = rig.controller.start({ guestId: "g2", command: patient, devices: [gpu[0]], number: 2 });
    expect((await rig.controller.result(start)).outcome).toBe("COMMAND_OUTCOME_OWNER_FIRST");
    await loosen(rig, pid);
    await rig.controller.reached("g1:1", "released");
    await startPatient(rig, "g3", gpu[0], 3);
  });

  it("I9: says nothing against the guest that left it and ended well", async ({ skip }) => {
    if (!isRoot || !existsSync(join(freezer, "cgroup.procs"))) skip("needs the v1 freezer, as root");
    await using rig = await AgentRig.up({ runtime: "cgroup-v2" });
    const script =
      "cd \"$GLEANER_CHECKPOINT_DIR\"; ( setsid sh -c 'echo $$ > away; while :; do sleep 0.01; done' & ); until [ -e go ]; do sleep 0.01; done; exit 0";
    rig.controller.start({ guestId: "g1", command: sh(script), devices: [gpu[0]], number: 1 });
    const pid = Number(await fileSays(awayFile(rig), (text) => text.endsWith("\n")));
    await stick(pid);
    writeFileSync(rig.checkpointFile("g1", "go"), "");
    const step = await rig.controller.reached("g1:1", "quarantined");
    expect(step).toMatchObject({ mover: "guest", end: { exitCode: 0, exitSignal: "" } });
    await loosen(rig, pid);
    await rig.controller.reached("g1:1", "released");
  });

  it("I10: of no lease that is known keeps the host from lending until it is gone", async ({ skip }) => {
    if (!isRoot || !existsSync(join(freezer, "cgroup.procs"))) skip("needs the v1 freezer, as root");
    await using rig = await AgentRig.up({ runtime: "cgroup-v2" });
    const pid = await startPatient(rig, "g1", gpu[0], 1);
    await rig.stopAgent();
    rig.forgetLease("g1");
    await stick(pid);
    rig.controller.received.length = 0;
    await rig.startAgent({ runtime: "cgroup-v2" });
    await rig.known();
    const outcome = async (guestId: string, number: number) => {
      const start = rig.controller.start({ guestId, command: patient, devices: [gpu[1]], number });
      return (await rig.controller.result(start)).outcome;
    };
    expect(await outcome("g2", 2)).toBe("COMMAND_OUTCOME_OWNER_FIRST");
    await loosen(rig, pid);
    let number = 3;
    while ((await outcome(`g${number}`, number)) !== "COMMAND_OUTCOME_DONE") {
      await sleep(100);
      number += 1;
    }
  });

  /** As in a driver call that hangs: a signal does nothing. */
  async function stick(pid: number): Promise<void> {
    mkdirSync(stuck);
    writeFileSync(join(stuck, "cgroup.procs"), String(pid));
    writeFileSync(join(stuck, "freezer.state"), "FROZEN");
    while (!readFileSync(join(stuck, "freezer.state"), "utf8").startsWith("FROZEN")) await sleep(5);
  }

  async function loosen(rig: AgentRig, pid: number): Promise<void> {
    writeFileSync(join(stuck, "freezer.state"), "THAWED");
    while (rig.isAlive(pid)) await sleep(10);
    rmdirSync(stuck);
  }
});

function awayFile(rig: AgentRig): string {
  const dir = join(rig.dir, "agent/checkpoints/g1");
  mkdirSync(dir, { recursive: true });
  return join(dir, "away");
}

function writeFull(file: string): void {
  try {
    for (;;) writeFileSync(file, Buffer.alloc(4_096), { flag: "a" });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
  }
}
