import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { connectRedis } from "../../src/store/connection.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { runCli } from "../support/cli.ts";
import { depose } from "../support/lease-books.ts";
import { startUp, until } from "../support/up.ts";

it("I4: a controller that lost the lead ends with the reason and is started again, and no guest is lost", async () => {
  await using up = await startUp(["--agents", "1"]);
  const env = { GLEANER_ADDRESS: up.apiAddress };
  const job = async () => {
    const { stdout } = await runCli(["jobs", "--all", "--json"], { env });
    return stdout === "" ? undefined : (JSON.parse(stdout) as { guests: Job[] }).guests[0];
  };
  await runCli(["submit", "--tenant", "research", "--", "sleep", "2"], { env });
  await until("the guest runs", async () => (await job())?.state === "running");

  const settings = readFileSync(join(up.dataDir, "settings.json"), "utf8");
  const { redisUrl, zone } = JSON.parse(settings) as { redisUrl: string; zone: string };
  const redis = await connectRedis(redisUrl, { name: "another leader" });
  const epoch = await depose(redis, zone);
  const lead = () => redis.hget(zoneKeys(zone).lead, "epoch");
  await until("it is started again", () =>
    up.said.some((line) => /controller ended \(exit code 3\); starting it again/.test(line)),
  );
  await until("it leads again", async () => Number(await lead()) > epoch);
  redis.disconnect();

  const log = readFileSync(join(up.dataDir, "logs", "controller.log"), "utf8");
  expect(log).toMatch(/^error LEADERSHIP_LOST: Epoch \d+ no longer leads this zone.*\nwhat to do: .+/m);
  await until("the guest is done", async () => (await job())?.state === "succeeded");
});

interface Job {
  readonly state: string;
}
