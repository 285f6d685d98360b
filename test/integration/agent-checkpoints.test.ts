import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Settings } from "../../src/config/settings.ts";
import { AgentRig, gpu, sh, testSettings } from "../support/agent/agent-rig.ts";

const command = sh('echo state > "$GLEANER_CHECKPOINT_DIR/model"');

function keeping(limits: Partial<Settings["agent"]>): { settings: Settings } {
  return { settings: { ...testSettings, agent: { ...testSettings.agent, ...limits } } };
}

const keepNothing = keeping({ checkpointsKeptMs: 0 });

let number = 0;

async function ran(rig: AgentRig, guestId: string, attempt = 1): Promise<void> {
  number += 1;
  rig.controller.start({ guestId, attempt, command, devices: [gpu[0]], number });
  await rig.controller.reached(`${guestId}:${attempt}`, "released");
}

/** The controller was asked about the guest that often. */
function asked(rig: AgentRig, guestId: string, times = 1): Promise<void> {
  const questions = () =>
    rig.controller.all("keptGuests").filter(({ guestIds }) => guestIds.includes(guestId)).length;
  return rig.controller.until(() => questions() >= times);
}

async function gone(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => (existsSync(path) ? undefined : resolve());
  const watcher = watch(dirname(path), look);
  look();
  await promise;
  watcher.close();
}

function chattr(change: string, file: string): number | null {
  return spawnSync("/bin/sh", ["-c", 'chattr "$@"', "sh", change, file]).status;
}

describe("checkpoints on a host", () => {
  it("go when the controller says that their guest has ended, and leave nothing behind", async () => {
    await using rig = await AgentRig.up(keepNothing, ({ ended }) => ended.add("g1"));
    await ran(rig, "g1");
    await gone(join(rig.dir, "agent/checkpoints/g1"));
    await gone(join(rig.dir, "agent/kept/g1"));
  });

  it("I11: stay within the count of ended guests, the oldest going first, whatever waits beside them", async () => {
    const limits = keeping({ checkpointsKeptMax: 1 });
    await using rig = await AgentRig.up(limits, ({ ended }) => ended.add("g1").add("g2").add("g3"));
    for (const guestId of ["waits", "g1", "g2", "g3"]) {
      await ran(rig, guestId);
      await asked(rig, guestId);
    }
    await rig.controller.reconnected();
    await gone(join(rig.dir, "agent/checkpoints/g1"));
    await rig.controller.reconnected();
    await gone(join(rig.dir, "agent/checkpoints/g2"));
    expect(readdirSync(join(rig.dir, "agent/checkpoints")).toSorted()).toEqual(["g3", "waits"]);
  });

  it("I11: go before their time while the disk is short of room, and so do ended attempts", async () => {
    const limits = keeping({ diskFreeShareMin: 1 });
    await using rig = await AgentRig.up(limits, ({ ended }) => ended.add("g1"));
    await ran(rig, "g1");
    await asked(rig, "g1");
    await rig.controller.reconnected();
    await gone(join(rig.dir, "agent/checkpoints/g1"));
    await gone(join(rig.dir, "agent/guests/g1"));
  });

  it("stay as long as the guest may run again, over restarts and however full the disk is", async () => {
    const nothing = keeping({ checkpointsKeptMs: 0, checkpointsKeptMax: 0, diskFreeShareMin: 1 });
    await using rig = await AgentRig.up(nothing, ({ ended }) => ended.add("g2"));
    await ran(rig, "g1");
    await asked(rig, "g1");
    await rig.restartAgent(nothing);
    await asked(rig, "g1");
    // Whatever the first question led to is done once a later one was carried out.
    await ran(rig, "g2");
    await gone(join(rig.dir, "agent/checkpoints/g2"));
    expect(existsSync(rig.checkpointFile("g1", "model"))).toBe(true);
  });

  it("go after a restart of the agent, when the guest ended in its absence", async () => {
    await using rig = await AgentRig.up(keepNothing);
    await ran(rig, "g1");
    await asked(rig, "g1");
    rig.controller.ended.add("g1");
    await rig.restartAgent(keepNothing);
    await gone(join(rig.dir, "agent/checkpoints/g1"));
  });

  it("are not deleted under a guest that runs, whatever the controller says", async () => {
    await using rig = await AgentRig.up(keepNothing, ({ ended }) => ended.add("g1").add("g2"));
    const patient = sh('until [ -e "$GLEANER_CHECKPOINT_DIR/go" ]; do sleep 0.01; done');
    rig.controller.start({ guestId: "g1", command: patient, devices: [gpu[1]], number: 1_000 });
    await rig.controller.reached("g1:1", "running");
    rig.controller.send({ $case: "endedGuests", value: { guests: [{ guestId: "g1" }] } });
    await ran(rig, "g2");
    await gone(join(rig.dir, "agent/checkpoints/g2"));
    expect(existsSync(join(rig.dir, "agent/checkpoints/g1"))).toBe(true);
    rig.touch(rig.checkpointFile("g1", "go"));
    await gone(join(rig.dir, "agent/checkpoints/g1"));
  });

  it("are deleted without a step outside: links are removed, not followed, and others' directories stay", async () => {
    await using rig = await AgentRig.up(keeping({}));
    const outside = join(rig.dir, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "precious"), "");
    await ran(rig, "g1");
    await ran(rig, "g2");
    symlinkSync(outside, rig.checkpointFile("g1", "inside"));
    rmSync(join(rig.dir, "agent/checkpoints/g2"), { recursive: true });
    symlinkSync(outside, join(rig.dir, "agent/checkpoints/g2"));
    mkdirSync(join(rig.dir, "agent/checkpoints/of-another-host"));
    for (const id of ["g1", "g2", "of-another-host", "../outside", ".."]) rig.controller.ended.add(id);
    await rig.restartAgent(keepNothing);
    rig.controller.send({
      $case: "endedGuests",
      value: { guests: [...rig.controller.ended].map((guestId) => ({ guestId })) },
    });
    await gone(join(rig.dir, "agent/checkpoints/g1"));
    await gone(join(rig.dir, "agent/kept/g2"));
    expect(readdirSync(join(rig.dir, "agent/checkpoints"))).toEqual(["of-another-host"]);
    expect(existsSync(join(outside, "precious"))).toBe(true);
  });

  it("that cannot be deleted stop nothing", async (test) => {
    await using rig = await AgentRig.up(keepNothing);
    await ran(rig, "g1");
    const file = rig.checkpointFile("g1", "model");
    if (chattr("+i", file) !== 0) test.skip("no immutable files here");
    try {
      rig.controller.ended.add("g1").add("g2");
      await ran(rig, "g2");
      await rig.controller.reconnected();
      await gone(join(rig.dir, "agent/checkpoints/g2"));
      await ran(rig, "g3");
      expect(existsSync(file)).toBe(true);
    } finally {
      chattr("-i", file);
    }
  });
});
