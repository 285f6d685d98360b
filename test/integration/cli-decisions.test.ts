import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { frameOf, textsOf } from "../../src/controller/decision-frames.ts";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { runCli } from "../support/cli.ts";
import { processGuest, startTestController, type TestController } from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

/** What one real controller decided about two guests and two devices, one of which its owner uses. */
let redis: TestRedis;
let root: string;
/** As the controller left it; each test has a copy. */
let journal: Buffer;
let dataDir: string;
let lent: string;
let waits: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "gleaner-decisions-"));
  redis = await startTestRedis();
  const test = await startTestController({ redisUrl: redis.url, dataDir: root });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-idle", "GPU-busy"] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0, ["GPU-idle"]);
  peer.sample(40, ["GPU-busy"]);
  lent = await submit(test);
  await untilRuns(test, lent);
  waits = await submit(test);
  await untilJudged(test, waits);
  peer.disconnect();
  await test.stop();
  journal = readFileSync(journalIn(root));
});

afterAll(async () => {
  await redis.stop();
  rmSync(root, { recursive: true });
});

beforeEach(() => {
  dataDir = root;
  writeFileSync(journalIn(root), journal);
});

function journalIn(dir: string): string {
  const [name, ...others] = readdirSync(join(dir, "decisions"));
  expect(others).toEqual([]);
  return join(dir, "decisions", name!);
}

async function submit(test: TestController): Promise<string> {
  const { guest } = await test.clients.guests.submit({ spec: processGuest(), idempotencyKey: "" });
  return guest!.id;
}

async function untilRuns(test: TestController, id: string): Promise<void> {
  for await (const { guest } of test.clients.guests.watch({ ids: [id], tenant: "", changesOnly: false }))
    if (guest?.state === GuestState.RUNNING) return;
}

/** A cycle has seen it. */
async function untilJudged(test: TestController, id: string): Promise<void> {
  while ((await test.clients.guests.explain({ id })).obstacles.length === 0);
}

async function decisions(...words: string[]) {
  const { code, stdout, stderr } = await runCli(["decisions", "--data-dir", dataDir, ...words]);
  const json = words.includes("--json")
    ? stdout
        .trim()
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    : [];
  return { code, stdout, stderr, json };
}

/** Rewrites the records of the journal as one who wants to hide something would: checksums and all. */
async function tamper(change: (text: string) => string): Promise<void> {
  const texts = [...textsOf(journal)].map((text) => change(text!));
  const frames = await Promise.all(texts.map((text) => frameOf([Buffer.from(text)])));
  writeFileSync(journalIn(root), Buffer.concat(frames));
}

describe("gleaner decisions", () => {
  it("I7: a controller's lends are in its journal, and come out the same when decided again", async () => {
    const { json } = await decisions("--json");
    expect(json.map(({ lends }) => lends)).toContain(1);
    expect(json.at(-1)).toMatchObject({
      devices: 2,
      guests: 1,
      lends: 0,
      release: "test",
      forecastHashes: [expect.stringMatching(/^[0-9a-f]{8}$/)],
    });
    const replayed = await decisions("--replay");
    expect(replayed).toMatchObject({
      code: 0,
      stdout: `${json.length} cycles decided again: the same decisions\n`,
    });
    expect(replayed.stderr).toMatch(/^some were decided by release test; this is \d/);
    expect((await decisions("--replay", "--json")).json).toEqual([{ cycles: json.length, difference: null }]);
  });

  it("I7: says of each cycle what was decided about a guest and a device, and why", async () => {
    const about = await decisions("--guest", lent, "--json");
    expect(about.json.at(-1)).toMatchObject({
      decision: "lent",
      reasonCode: "fits",
      reason: expect.stringMatching(/^Idle for \d+ s; start, checkpoint and notice/),
      forecastHash: expect.stringMatching(/^[0-9a-f]{8}$/),
      grants: [{ device: "GPU-idle", sharePermille: 1000 }],
    });
    expect((await decisions("--guest", waits, "--json")).json.at(-1)).toMatchObject({
      decision: "waits",
      reasonCode: "lent",
      obstacles: [
        { reasonCode: "owner_busy", devices: 1 },
        { reasonCode: "lent", devices: 1 },
      ],
    });
    const idle = (await decisions("--device", "GPU-idle", "--json")).json;
    expect(idle.find(({ guests }) => (guests as string[]).includes(lent))).toMatchObject({
      reasonCode: "fits",
    });
    expect(idle.at(-1)).toMatchObject({ reasonCode: "lent", leases: 1, guests: [] });
    const { stdout } = await decisions("--device", "GPU-busy");
    expect(stdout).toMatch(
      /busy: util_above_zero +not lent anew +The owner is working on the device. \(owner_busy\)/,
    );
    expect(await decisions("--guest", "g-nobody")).toMatchObject({ code: 0, stdout: "" });
  });

  it("I7: reports a record that was tampered with as the first difference", async () => {
    await tamper((text) => text.replaceAll('"device":"GPU-idle","share', '"device":"GPU-busy","share'));
    const { code, stdout } = await decisions("--replay");
    expect(code).toBe(1);
    expect(stdout).toMatch(/comes out differently: lend 1, guest/);
    expect(stdout).toMatch(new RegExp(`recorded by test: ${lent} on host-a: GPU-busy`));
    expect(stdout).toMatch(new RegExp(`now, by \\S+: ${lent} on host-a: GPU-idle`));
    const { json } = await decisions("--replay", "--json");
    expect(json[0]).toMatchObject({ difference: { subject: `lend 1, guest ${lent}` } });
  });

  it("I7: finds a reason that was changed, and a snapshot that was", async () => {
    await tamper((text) =>
      text.replace(/fit with chance 0\.\d\d|fit with chance 1\.00/, "fit with chance 0.01"),
    );
    expect((await decisions("--replay")).code).toBe(1);
    await tamper((text) => text.replaceAll('"owner":"busy"', '"owner":"idle"'));
    expect((await decisions("--replay")).code).toBe(1);
  });

  it("passes over a torn record with a word, and goes on", async () => {
    writeFileSync(journalIn(root), journal.subarray(0, -1));
    const { code, stdout, stderr } = await decisions("--replay");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+ cycles? decided again/);
    expect(stderr).toMatch(/^passed over: DECISIONS_UNREADABLE: .*record \d+ is torn/);
  });

  it("refuses what it cannot read", async () => {
    writeFileSync(journalIn(root), "no journal");
    expect(await decisions()).toMatchObject({
      code: 5,
      stderr: expect.stringContaining("DECISIONS_UNREADABLE"),
    });
    dataDir = join(root, "nowhere");
    expect(await decisions()).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("DECISIONS_NOT_FOUND"),
    });
    expect(await decisions("--replay", "--guest", "g-1")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("name one of --guest, --device and --replay"),
    });
  });

  it("shows only what was decided since a time", async () => {
    const later = new Date(Date.now() + 3_600_000).toISOString();
    expect(await decisions("--since", later)).toMatchObject({ code: 0, stdout: "" });
    expect((await decisions("--since", "1h")).stdout).toMatch(/^TIME .*FORECAST\n20/);
  });
});
