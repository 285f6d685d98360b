import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, startCli, type CliRun } from "../support/cli.ts";
import { startTestController, type TestController } from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let test: TestController;
let dir: string;
beforeAll(async () => {
  redis = await startTestRedis();
  test = await startTestController({ redisUrl: redis.url });
  dir = mkdtempSync(join(tmpdir(), "gleaner-cli-"));
});
afterAll(async () => {
  await test.stop();
  await redis.stop();
  rmSync(dir, { recursive: true });
});

function cli(...words: string[]): Promise<CliRun> {
  return runCli(words, { env: { GLEANER_ADDRESS: test.controller.apiAddress } });
}

async function json<T>(...words: string[]): Promise<T> {
  const { stdout, stderr } = await cli(...words, "--json");
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

/** Hands in a guest that waits: there is no device. */
async function submit(tenant: string): Promise<string> {
  const { stdout } = await cli("submit", "--tenant", tenant, "--", "sleep", "5");
  return stdout.trim();
}

describe("submit and what follows", () => {
  it("prints the id of each guest, lists it, says why it waits, ends it", async () => {
    const id = await submit("walk");
    const jobs = await cli("jobs", "--tenant", "walk");
    expect(jobs.stdout).toContain(id);
    const explained = await cli("explain", id);
    expect(explained).toMatchObject({ code: 0 });
    expect(explained.stdout).toMatch(/waits since .*place 1 of walk's/);
    expect((await cli("cancel", id, "--reason", "enough")).stdout).toContain("cancelled");
    expect((await cli("jobs", "--tenant", "walk")).stdout).toBe("");
    expect((await cli("jobs", "--tenant", "walk", "--all")).stdout).toContain("cancelled");
  });

  it("takes a file, stdin and --count; the same key again is the same guest", async () => {
    const path = join(dir, "guests.yaml");
    writeFileSync(path, "tenant: file\ncommand: [sleep, 5]\nkey: once\ncount: 3\n");
    const first = await cli("submit", "-f", path);
    const again = await runCli(["submit", "-f", "-"], {
      env: { GLEANER_ADDRESS: test.controller.apiAddress },
      input: '{"tenant":"file","command":["sleep","5"],"key":"once","count":3}',
    });
    const ids = first.stdout.trim().split("\n");
    expect(new Set(ids)).toHaveLength(3);
    expect(
      again.stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]),
    ).toEqual(ids);
    expect(again.stdout).toContain("known already");
  });

  it("pages, in the order in which they were handed in", async () => {
    const ids: string[] = [];
    for (let index = 0; index < 3; index += 1) ids.push(await submit("pages"));
    type Page = { guests: { id: string }[]; nextPageToken: string };
    const first = await json<Page>("jobs", "--tenant", "pages", "--limit", "2");
    const second = await json<Page>(
      "jobs",
      "--tenant",
      "pages",
      "--limit",
      "2",
      "--after",
      first.nextPageToken,
    );
    expect([...first.guests, ...second.guests].map(({ id }) => id)).toEqual(ids);
    expect(second.nextPageToken).toBe("");
  });

  it("exits 1 where a guest that is waited for does not succeed", async () => {
    const waiting = startCli(["submit", "--tenant", "waited", "--watch", "--", "sleep", "5"], {
      env: { GLEANER_ADDRESS: test.controller.apiAddress },
    });
    const ended = once(waiting, "close");
    const [id] = (await once(waiting.stdout, "data")) as [Buffer];
    await cli("cancel", id.toString().trim());
    expect(await ended).toEqual([1, null]);
  });
});

describe("owners' commands", () => {
  it("holds the fleet with one switch, lists it, lets it go", async () => {
    expect((await cli("hold", "--fleet", "--reason", "upgrade", "--ttl", "1h")).stdout).toMatch(
      /the fleet +\S+Z +upgrade/,
    );
    expect((await cli("hold", "--list")).stdout).toContain("upgrade");
    expect((await cli("unhold", "--fleet")).stdout).toMatch(/^ended .*the fleet/);
    expect(await json("hold", "--list")).toEqual({ holds: [] });
  });

  it("changes what it names of a policy and leaves the rest", async () => {
    await cli(
      "policy",
      "set",
      "render",
      "--mode",
      "lend",
      "--recall-deadline",
      "40s",
      "--owner",
      "render-team",
    );
    await cli("policy", "set", "render", "--lent-share-max", "0.5");
    const { policies } = await json<{ policies: object[] }>("policy");
    expect(policies).toContainEqual(
      expect.objectContaining({
        pool: "render",
        owner: "render-team",
        mode: "lend",
        recallDeadlineMs: 40_000,
        lentShareMax: 0.5,
      }),
    );
  });

  it("exits 4 for what nobody knows", async () => {
    expect(await cli("recall", "--pool", "nowhere")).toMatchObject({ code: 4 });
    expect(await cli("explain", "no-such-guest")).toMatchObject({ code: 4 });
  });
});

describe("reports", () => {
  it("prints text, JSON and CSV", async () => {
    expect((await cli("report")).stdout).toContain("The books balance");
    expect(await json("report")).toMatchObject({ balanced: true });
    expect((await cli("report", "--csv")).stdout).toMatch(/^device,/);
  });

  it("shows the fleet once where stdout is no terminal", async () => {
    expect((await cli("top")).stdout).toMatch(/^fleet .*guests: /);
    expect(await json("top")).toMatchObject({ agents: 0, devices: [] });
  });
});
