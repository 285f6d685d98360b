import { pino } from "pino";
import { connectClients, type Clients } from "../../src/api/client.ts";
import { startApiServer } from "../../src/api/server.ts";
import { parseSettings } from "../../src/config/settings.ts";
import { GleanerError } from "../../src/errors/gleaner-error.ts";
import type { GuestSpec, Shape } from "../../src/gen/gleaner/v1/guests.ts";
import type { DeepPartial, Policy } from "../../src/gen/gleaner/v1/owners.ts";
import { testDesks } from "./api-desks.ts";
import { collect } from "./collect.ts";
import type { BadInput } from "./bad-inputs.ts";
import { RawClient } from "./raw-rpc.ts";

type Ask = (clients: Clients) => Promise<unknown>;

/** A call that must fail; what a person reads of it. */
function rpc(surface: string, name: string, ask: Ask): BadInput {
  return { surface, name, send: async ({ clients }) => printed(ask(clients)) };
}

async function printed(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (thrown) {
    if (thrown instanceof GleanerError) return thrown.toString();
    throw thrown;
  }
  throw new Error("a bad input was taken");
}

const fleet = { scope: { $case: "fleet" as const, value: {} } };
const pool = (name: string, devices = 0) => ({
  scope: { $case: "pool" as const, value: { pool: name, devices } },
});

function submit(name: string, spec: DeepPartial<GuestSpec>): BadInput {
  const whole = {
    tenant: "research",
    workload: { $case: "process" as const, value: { command: ["true"] } },
    ...spec,
  };
  return rpc("Submit", name, ({ guests }) => guests.submit({ spec: whole }));
}

const submitProcess = (
  name: string,
  value: { command?: string[]; env?: Record<string, string>; workingDir?: string },
) => submit(name, { workload: { $case: "process", value: { command: ["true"], ...value } } });

const submitShape = (name: string, shape: DeepPartial<Shape>) => submit(name, { shape });

const setPolicy = (name: string, policy: DeepPartial<Policy>) =>
  rpc("SetPolicy", name, ({ owners }) => owners.setPolicy({ policy: { pool: "train", ...policy } }));

const numbered = (count: number, name: (index: number) => string) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [name(index), "x"]));

export const rpcBadInputs: readonly BadInput[] = [
  rpc("Submit", "nothing at all", ({ guests }) => guests.submit({})),
  submit("no tenant", { tenant: "" }),
  submit("a tenant with a space", { tenant: "team one" }),
  submit("an enum value of another version", { kind: "UNRECOGNIZED" }),
  submit("an inference guest", { kind: "GUEST_KIND_INFERENCE" }),
  submit("a container", { workload: { $case: "container", value: { image: "pytorch" } } }),
  rpc("Submit", "neither process nor container", ({ guests }) =>
    guests.submit({ spec: { tenant: "research" } }),
  ),
  submitProcess("an empty command", { command: [] }),
  submitProcess("a NUL byte in an argument", { command: ["echo", "a\0b"] }),
  submitProcess("a command of 70 kB", { command: ["echo", "x".repeat(70_000)] }),
  submitProcess("a relative working directory", { workingDir: "data/run" }),
  submitProcess("a variable that Gleaner sets", { env: { CUDA_VISIBLE_DEVICES: "0" } }),
  submitProcess("a variable whose name is none", { env: { "1ST": "x" } }),
  submitProcess("300 variables", { env: numbered(300, (index) => `V${index}`) }),
  submitShape("a share above 1", { share: 1.5 }),
  submitShape("a share that is not a number", { share: Number.NaN }),
  submitShape("half of each of two devices", { devices: 2, share: 0.5 }),
  submitShape("65 devices", { devices: 65 }),
  submitShape("a pool name with a slash", { pools: ["train", "a/b"] }),
  submit("priority 101", { priority: 101 }),
  submit("33 labels", { labels: numbered(33, (index) => `l${index}`) }),
  submit("a start in the year 2999", { notBefore: new Date("2999-01-01T00:00:00Z") }),
  rpc("SubmitBatch", "no guests", ({ guests }) => guests.submitBatch({ requests: [] })),
  rpc("SubmitBatch", "1,001 guests", ({ guests }) =>
    guests.submitBatch({ requests: Array.from({ length: 1_001 }, () => ({})) }),
  ),
  {
    surface: "SubmitBatch",
    name: "one good guest and one with a bad share (the good one is taken)",
    async send({ clients }) {
      const spec = (share: number) => ({
        tenant: "research",
        workload: { $case: "process" as const, value: { command: ["true"] } },
        shape: { share },
      });
      const { results } = await clients.guests.submitBatch({
        requests: [{ spec: spec(1) }, { spec: spec(0) }],
      });
      const [good, bad] = results.map(({ outcome }) => outcome);
      if (good?.$case !== "accepted" || bad?.$case !== "refused")
        throw new Error("a batch was not told apart");
      return `${bad.value.code}: ${bad.value.message} ${bad.value.remedy}`;
    },
  },
  rpc("Get", "a guest that nobody knows", ({ guests }) => guests.get({ id: "g-404" })),
  rpc("Get", "no id", ({ guests }) => guests.get({})),
  rpc("List", "a page of 5,000", ({ guests }) => guests.list({ pageSize: 5_000 })),
  rpc("List", "a token that List never gave", ({ guests }) => guests.list({ pageToken: "next" })),
  rpc("List", "an unspecified state", ({ guests }) => guests.list({ states: ["GUEST_STATE_UNSPECIFIED"] })),
  rpc("Cancel", "a reason of 9 MB", ({ guests }) =>
    guests.cancel({ id: "g-1", reason: "x".repeat(9_000_000) }),
  ),
  {
    surface: "Get",
    name: "bytes that are no message",
    async send({ address }) {
      using raw = new RawClient(address);
      try {
        await raw.call("/gleaner.v1.GuestService/Get", Buffer.from([0x0a, 0xff]));
      } catch (thrown) {
        return (thrown as { details: string }).details;
      }
      throw new Error("a bad input was taken");
    },
  },
  rpc("Recall", "no target", ({ owners }) => collect(owners.recall({}))),
  rpc("Recall", "no devices in the target", ({ owners }) =>
    collect(owners.recall({ target: { scope: { $case: "devices", value: { uuids: [] } } } })),
  ),
  rpc("Recall", "a deadline of 0", ({ owners }) => collect(owners.recall({ target: fleet, deadlineMs: 0 }))),
  rpc("Busy", "a hint for a week", ({ owners }) => owners.busy({ target: fleet, ttlMs: 7 * 86_400_000 })),
  rpc("Hold", "a part of a pool", ({ owners }) => owners.hold({ target: pool("train", 2) })),
  rpc("Unhold", "neither hold nor target", ({ owners }) => owners.unhold({})),
  setPolicy("a lent share of 200 %", { lentShareMax: 2 }),
  setPolicy("a time zone on another planet", {
    windows: [{ startMinute: 0, endMinute: 60, timeZone: "Mars/Olympus" }],
  }),
  setPolicy("a deadline that no agent could keep alone", { mode: "LEND_MODE_LEND", recallDeadlineMs: 5_000 }),
  rpc("GetReport", "a negative price", ({ reports }) => reports.getReport({ pricePerGpuHour: -1 })),
  rpc("GetReport", "an end before the beginning", ({ reports }) =>
    reports.getReport({ from: new Date("2026-02-01T00:00:00Z"), to: new Date("2026-01-01T00:00:00Z") }),
  ),
  rpc("WatchFleet", "every millisecond", ({ reports }) => collect(reports.watchFleet({ intervalMs: 1 }))),
  {
    surface: "any call",
    name: "an address where nobody listens",
    async send() {
      const clients = connectClients("127.0.0.1:1");
      try {
        return await printed(clients.guests.submit({}));
      } finally {
        clients.close();
      }
    },
  },
  {
    surface: "listen",
    name: "an address that others can reach",
    send: async () => {
      const settings = parseSettings({}, "test");
      const logger = pino({ level: "silent" });
      return printed(startApiServer({ listen: "0.0.0.0:7070", desks: testDesks(), settings, logger }));
    },
  },
];
