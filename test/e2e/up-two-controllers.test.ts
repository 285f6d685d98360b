import { expect, it } from "vitest";
import { processesNaming } from "../../src/cli/processes.ts";
import { runCli } from "../support/cli.ts";
import { startUp, until, type Up } from "../support/up.ts";

/** Asks the second one first: one that stands still answers nobody, and a call that was sent waits for it. */
function environment(up: Up) {
  return { GLEANER_ADDRESS: up.apiAddress.split(",").toReversed().join(",") };
}

/** Ids of guests that have not ended, with their state. */
async function jobs(up: Up): Promise<Record<string, string>> {
  const { stdout } = await runCli(["jobs", "--json"], { env: environment(up) });
  const { guests } = JSON.parse(stdout === "" ? '{"guests":[]}' : stdout) as {
    guests: { id: string; state: string }[];
  };
  return Object.fromEntries(guests.map(({ id, state }) => [id, state]));
}

async function runs(up: Up, id: string): Promise<void> {
  await until(`${id} runs`, async () => (await jobs(up))[id] === "running");
}

async function submit(up: Up): Promise<string> {
  const words = ["submit", "--tenant", "research", "--", "sleep", "600"];
  const { code, stdout, stderr } = await runCli(words, { env: environment(up) });
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

it("I0, I4: `up --controllers 2` says which leads, outlives either, and leaves no process", async () => {
  await using up = await startUp(["--controllers", "2", "--agents", "1"]);
  expect(up.leader).toBe("controller-1");
  expect(up.apiAddress.split(",")).toHaveLength(2);
  const first = await submit(up);
  await runs(up, first);

  // It does not die, so that nobody starts it again: the other takes over.
  process.kill(up.pids["controller-1"]!, "SIGSTOP");
  await until("the other leads", () => up.said.includes("controller-2 leads now"));
  const second = await submit(up);
  await runs(up, second);
  process.kill(up.pids["controller-1"]!, "SIGCONT");
  const again = /controller-1 ended \(exit code 3\); starting it again/;
  await until("the deposed one is started again", () => up.said.some((line) => again.test(line)));

  process.kill(up.pids["controller-2"]!, "SIGKILL");
  await runs(up, await submit(up));
  expect(await jobs(up)).toMatchObject({ [first]: expect.any(String), [second]: expect.any(String) });
  expect(await up.stop()).toBe(0);
  expect(up.said.at(-1)).toBe("stopped; no process is left");
  expect(processesNaming(up.dataDir)).toEqual([]);
});
