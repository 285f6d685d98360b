import { join } from "node:path";
import { expect, it } from "vitest";
import { startTestApi } from "../support/api-desks.ts";
import { badInputs } from "../support/bad-inputs.ts";
import { errorsDoc } from "../support/errors-doc.ts";

it(
  "docs/errors.md is the catalogue, and what each bad input is answered with",
  { timeout: 120_000 },
  async () => {
    await using api = await startTestApi();
    const world = { address: api.server.address, clients: api.clients };
    const sent = [];
    for (const input of badInputs) sent.push(Object.assign({ answer: await input.send(world) }, input));
    await expect(errorsDoc(sent)).toMatchFileSnapshot(join(import.meta.dirname, "../../docs/errors.md"));
  },
);

it("no bad input is listed twice, and there are at least thirty", () => {
  const names = badInputs.map(({ surface, name }) => `${surface}: ${name}`);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(30);
});
