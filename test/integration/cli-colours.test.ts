import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { gleaner, runCli } from "../support/cli.ts";

const words = ["backtest", "--trace", "examples/sample.devices.csv.gz", "--policy", "lend-all"];
const escape = String.fromCodePoint(27);

it.each([{}, { CI: "true" }, { FORCE_COLOR: "1" }])(
  "paints nothing in a pipe, whatever is set: %o",
  async (env) => {
    const { code, stdout } = await runCli(words, { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^policy {2}/);
    expect(stdout).not.toContain(escape);
  },
);

it("paints on a terminal, but not with NO_COLOR", async () => {
  expect(await onTerminal({ TERM: "xterm" })).toContain(`${escape}[2mpolicy`);
  expect(await onTerminal({ TERM: "xterm", NO_COLOR: "1" })).not.toContain(`${escape}[2m`);
});

/** What util-linux's script(1) sees when the command writes to a terminal of its own. */
async function onTerminal(env: Readonly<Record<string, string>>): Promise<string> {
  const { PATH = "", HOME = "/" } = process.env;
  const options = { cwd: new URL("../../", import.meta.url), env: { PATH, HOME, ...env } };
  const line = [gleaner, ...words].join(" ");
  const { stdout } = await promisify(execFile)("script", ["-qec", line, "/dev/null"], options);
  return stdout;
}
