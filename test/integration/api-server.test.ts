import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status, type ServiceError } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { connectClients } from "../../src/api/client.ts";
import type { GuestChange } from "../../src/api/ports.ts";
import { createRecallServer, startApiServer } from "../../src/api/server.ts";
import { parseSettings } from "../../src/config/settings.ts";
import { catalogue, type ErrorCode } from "../../src/errors/catalogue.ts";
import { GleanerError } from "../../src/errors/gleaner-error.ts";
import { SubmitRequest } from "../../src/gen/gleaner/v1/guests.ts";
import { HoldRequest } from "../../src/gen/gleaner/v1/owners.ts";
import { HealthCheckRequest } from "../../src/gen/grpc/health/v1/health.ts";
import { Channel } from "../../src/runtime/channel.ts";
import { sampleGuest, sampleProgress, startTestApi, testDesks } from "../support/api-desks.ts";
import { collect } from "../support/collect.ts";
import { errorDetails, RawClient } from "../support/raw-rpc.ts";

const settings = parseSettings({}, "test");
const silent = pino({ level: "silent" });
const fleet = { scope: { $case: "fleet" as const, value: {} } };
const process = { $case: "process" as const, value: { command: ["true"] } };

const failure = async (call: Promise<unknown>): Promise<GleanerError> => {
  try {
    await call;
  } catch (thrown) {
    if (thrown instanceof GleanerError) return thrown;
    throw thrown;
  }
  throw new Error("the call succeeded");
};

describe("the four services", () => {
  it("GuestService answers each of its methods", async () => {
    await using api = await startTestApi();
    const { guests } = api.clients;
    const submitted = await guests.submit({ spec: { tenant: "research", workload: process } });
    expect(submitted).toMatchObject({
      created: true,
      guest: { id: "g-1", state: "GUEST_STATE_WAITING", spec: { tenant: "research", priority: 50 } },
    });
    expect((await guests.get({ id: "g-1" })).guest?.spec?.name).toBe("train-7");
    expect((await guests.list({})).guests).toHaveLength(1);
    expect((await guests.cancel({ id: "g-1", reason: "done" })).guest).toMatchObject({
      state: "GUEST_STATE_CANCELLED",
      reason: "done",
    });
    expect(await guests.explain({ id: "g-1" })).toMatchObject({
      reasonCode: "no_idle_device",
      obstacles: [{ devices: 8 }],
    });
    expect(await collect(guests.watch({}))).toMatchObject([{ guest: { id: "g-1" } }]);
    const [chunk] = await collect(guests.logs({ id: "g-1" }));
    expect(Buffer.from(chunk!.data).toString()).toBe("epoch 1\n");
  });

  it("a batch keeps its order, and each member is accepted or refused by itself", async () => {
    const full = new GleanerError("QUEUE_FULL", { tenant: "crowd", count: 9, countMax: 9 });
    await using api = await startTestApi(
      testDesks({
        guests: {
          submit: async (submissions) =>
            submissions.map(({ spec }) =>
              spec.tenant === "crowd"
                ? { refused: full }
                : { accepted: { ...sampleGuest, id: `${spec.tenant}-1`, spec }, created: true },
            ),
        },
      }),
    );
    const spec = (tenant: string, devices = 1) => ({
      spec: { tenant, workload: process, shape: { devices } },
    });
    const { results } = await api.clients.guests.submitBatch({
      requests: [spec("a"), spec("b", 65), spec("crowd"), spec("c")],
    });
    expect(results).toMatchObject([
      { outcome: { value: { guest: { id: "a-1", spec: undefined } } } },
      { outcome: { value: { code: "INVALID_FIELD", field: "requests[1].spec.shape.devices" } } },
      { outcome: { value: { code: "QUEUE_FULL", message: full.message, remedy: full.remedy } } },
      { outcome: { value: { guest: { id: "c-1" } } } },
    ]);
  });

  it("List hands out pages whose token leads to the next", async () => {
    const asked: number[] = [];
    await using api = await startTestApi(
      testDesks({
        guests: {
          list: async ({ afterSequence, pageSize }) => {
            asked.push(afterSequence, pageSize);
            return { guests: [sampleGuest], nextAfterSequence: afterSequence === 0 ? 41 : null };
          },
        },
      }),
    );
    const first = await api.clients.guests.list({ pageSize: 1 });
    const second = await api.clients.guests.list({ pageToken: first.nextPageToken });
    expect(asked).toEqual([0, 1, 41, 100]);
    expect(second.nextPageToken).toBe("");
  });

  it("OwnerService answers each of its methods", async () => {
    await using api = await startTestApi();
    const { owners } = api.clients;
    expect(await collect(owners.recall({ target: fleet, deadlineMs: 5_000 }))).toMatchObject([
      { stage: "RECALL_STAGE_ACCEPTED", outstanding: 1 },
      { stage: "RECALL_STAGE_RELEASED", elapsedMs: 1.5 },
    ]);
    expect((await owners.busy({ target: fleet })).expiresAt?.getTime()).toBe(1_800_000_060_000);
    expect(await owners.idle({ target: fleet })).toMatchObject({ hintsEnded: 1 });
    expect((await owners.hold({ target: fleet, reason: "move" })).hold).toMatchObject({
      id: "h-1",
      target: fleet,
      reason: "move",
    });
    expect((await owners.unhold({ which: { $case: "target", value: fleet } })).ended).toEqual([]);
    expect((await owners.listHolds({})).holds).toEqual([]);
    const set = await owners.setPolicy({ policy: { pool: "train", mode: "LEND_MODE_LEND" } });
    expect(set.policy).toMatchObject({
      mode: "LEND_MODE_LEND",
      recallDeadlineMs: 30_000,
      firstRung: "RUNG_PAUSE",
    });
    expect((await owners.listPolicies({})).policies).toEqual([]);
  });

  it("ReportService answers each of its methods", async () => {
    await using api = await startTestApi();
    const report = await api.clients.reports.getReport({});
    expect(report).toMatchObject({
      balanced: true,
      devices: [{ owner: "vision", elapsedUs: 3_600_000_000 }],
    });
    expect(await collect(api.clients.reports.watchFleet({}))).toMatchObject([{ epoch: 7, agents: 2 }]);
    expect((await api.clients.reports.listDecisions({})).decisions).toEqual([]);
  });

  it("AgentService carries both directions of one stream", async () => {
    await using api = await startTestApi();
    async function* renewals() {
      for (const sequence of [1, 2])
        yield { body: { $case: "renewTerms" as const, value: { sequence, leases: [{ leaseId: "g-1:1" }] } } };
    }
    const answers = await collect(api.clients.agents.connect(renewals()));
    expect(answers.map(({ body }) => body?.value)).toMatchObject([
      { sequence: 1, leaseIds: ["g-1:1"] },
      { sequence: 2, leaseIds: ["g-1:1"] },
    ]);
  });

  it("serves on a Unix socket, too", async () => {
    const dir = mkdtempSync(join(tmpdir(), "gleaner-api-"));
    const listen = `unix:${join(dir, "api.sock")}`;
    const server = await startApiServer({ listen, desks: testDesks(), settings, logger: silent });
    const clients = connectClients(server.address);
    expect((await clients.guests.get({ id: "g-1" })).guest?.id).toBe("g-1");
    clients.close();
    await server.close(0);
    rmSync(dir, { recursive: true });
  });
});

describe("errors", () => {
  it.each(Object.keys(catalogue).filter((code) => code !== "INTERNAL") as ErrorCode[])(
    "%s comes back with its code, its words and its status",
    async (code) => {
      const names = [...`${catalogue[code].message}${catalogue[code].remedy}`.matchAll(/\{(\w+)\}/g)];
      const thrown = new GleanerError(
        code,
        Object.fromEntries(names.map(([, name]) => [name!, `‹${name}›`])),
      );
      await using api = await startTestApi(
        testDesks({ guests: { submit: async () => Promise.reject(thrown) } }),
      );
      // Submit is never sent twice, so that nothing is hidden by a retry.
      const request = SubmitRequest.create({ spec: { tenant: "research", workload: process } });
      const { message, remedy, field } = thrown;
      expect(await failure(api.clients.guests.submit(request))).toMatchObject({
        code,
        message,
        remedy,
        field,
      });
      using raw = new RawClient(api.server.address);
      const error = (await raw
        .call("/gleaner.v1.GuestService/Submit", SubmitRequest.encode(request).finish())
        .catch((caught: unknown) => caught)) as ServiceError;
      expect(error.code).toBe(status[thrown.status]);
      expect(error.details).toContain(`${code}: ${message}`);
      const { info, retry } = errorDetails(error);
      expect(info).toMatchObject({ reason: code, domain: "gleaner", metadata: { remedy } });
      expect(retry !== null).toBe(thrown.status === "UNAVAILABLE");
    },
  );

  it("name the field at fault for machines", async () => {
    await using api = await startTestApi();
    using raw = new RawClient(api.server.address);
    const request = HoldRequest.encode(
      HoldRequest.create({ target: { scope: { $case: "pool", value: { pool: "no/name" } } } }),
    );
    const error = (await raw
      .call("/gleaner.v1.OwnerService/Hold", request.finish())
      .catch((caught: unknown) => caught)) as ServiceError;
    expect(errorDetails(error).badRequest?.fieldViolations).toEqual([
      { field: "target.pool.pool", description: expect.stringContaining('"no/name" is not a name') },
    ]);
  });

  it("of our own making say nothing of our insides, and are logged with their stack under the reference told", async () => {
    const secret = new TypeError("redis://:password@10.0.0.1 is undefined");
    await using api = await startTestApi(testDesks({ guests: { get: async () => Promise.reject(secret) } }));
    const error = await failure(api.clients.guests.get({ id: "g-1" }));
    expect(error.code).toBe("INTERNAL");
    expect(error.message).not.toContain("password");
    const reference = /the log has it as (\w+)/.exec(error.message)?.[1];
    expect(api.logged).toEqual([
      expect.objectContaining({
        reference,
        method: "Get",
        err: expect.objectContaining({ stack: expect.stringContaining("TypeError") }),
      }),
    ]);
  });

  it("a request that is no message at all is refused as such", async () => {
    await using api = await startTestApi();
    using raw = new RawClient(api.server.address);
    const error = (await raw
      .call("/gleaner.v1.GuestService/Get", Buffer.from([0x0a, 0xff]))
      .catch((caught: unknown) => caught)) as ServiceError;
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(errorDetails(error).info?.reason).toBe("INVALID_FIELD");
  });

  it("I11: an oversized request is refused before it is read", async () => {
    await using api = await startTestApi(testDesks(), { api: { messageBytesMax: 10_000 } });
    const error = await failure(api.clients.guests.cancel({ id: "g-1", reason: "x".repeat(20_000) }));
    expect(error).toMatchObject({ code: "REQUEST_TOO_LARGE", details: { bytesMax: "10000" } });
  });
});

describe("a caller that leaves", () => {
  it("is heard by the desk: cancellation", async () => {
    const left = Promise.withResolvers<void>();
    await using api = await startTestApi(
      testDesks({
        owners: {
          async *recall(_order, signal) {
            yield sampleProgress;
            await once(signal, "abort");
            left.resolve();
          },
        },
      }),
    );
    const caller = new AbortController();
    const read = collect(api.clients.owners.recall({ target: fleet }, { signal: caller.signal }));
    caller.abort();
    await expect(read).rejects.toMatchObject({ name: "AbortError" });
    const progress = api.clients.owners.recall({ target: fleet })[Symbol.asyncIterator]();
    await progress.next();
    await progress.return?.();
    await left.promise;
  });

  it("is heard by the desk: deadline", async () => {
    const left = Promise.withResolvers<void>();
    await using api = await startTestApi(
      testDesks({
        guests: {
          async *watch(_filter, signal) {
            yield { guest: sampleGuest, atMs: 0 };
            await once(signal, "abort");
            left.resolve();
          },
        },
      }),
    );
    using raw = new RawClient(api.server.address);
    const error = (await raw
      .call("/gleaner.v1.GuestService/Watch", new Uint8Array(), { deadline: Date.now() + 50 })
      .catch((caught: unknown) => caught)) as ServiceError;
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    await left.promise;
  });

  it("does not wait for ever itself", async () => {
    await using api = await startTestApi(testDesks({ guests: { get: () => new Promise(() => {}) } }));
    const hasty = connectClients(api.server.address, { callMsMax: 50 });
    expect(await failure(hasty.guests.get({ id: "g-1" }))).toMatchObject({
      code: "CALL_TIMED_OUT",
      details: { method: "Get" },
    });
    hasty.close();
  });
});

describe("streams are bounded", () => {
  it("I11: a watcher that does not read is cut off, and told to begin again", async () => {
    const cutOff = Promise.withResolvers<void>();
    const change: GuestChange = { guest: { ...sampleGuest, reason: "x".repeat(1_000) }, atMs: 0 };
    await using api = await startTestApi(
      testDesks({
        guests: {
          watch(_filter, signal) {
            const changes = new Channel<GuestChange>(100, signal);
            const flood = async () => {
              while (changes.push(change)) await setImmediate();
              changes.fail(new GleanerError("WATCHER_TOO_SLOW", { count: changes.capacity }));
              cutOff.resolve();
            };
            void flood();
            return changes;
          },
        },
      }),
    );
    const watch = api.clients.guests.watch({})[Symbol.asyncIterator]();
    await watch.next();
    await cutOff.promise;
    const rest = collect({ [Symbol.asyncIterator]: () => watch });
    expect(await failure(rest)).toMatchObject({ code: "WATCHER_TOO_SLOW", details: { count: "100" } });
  });

  it("I11: no more than watchersMax are served, and a place is free again when one leaves", async () => {
    await using api = await startTestApi(
      testDesks({
        guests: {
          async *watch(_filter, signal) {
            yield { guest: sampleGuest, atMs: 0 };
            await once(signal, "abort");
          },
        },
      }),
      { api: { watchersMax: 1 } },
    );
    const first = api.clients.guests.watch({})[Symbol.asyncIterator]();
    await first.next();
    expect(await failure(collect(api.clients.reports.watchFleet({})))).toMatchObject({
      code: "TOO_MANY_WATCHERS",
    });
    await first.return?.();
    await expect.poll(() => collect(api.clients.reports.watchFleet({})).catch(() => null)).toHaveLength(1);
  });
});

describe("starting and stopping", () => {
  it("watchers and agents are sent away at once, a recall may end, and a call that hangs is cut off", async () => {
    const release = Promise.withResolvers<void>();
    const recalling = Promise.withResolvers<void>();
    const waiting = async function* (_: unknown, signal: AbortSignal) {
      yield { guest: sampleGuest, atMs: 0 };
      await once(signal, "abort");
    };
    const server = await startApiServer({
      listen: "127.0.0.1:0",
      settings,
      logger: silent,
      desks: testDesks({
        guests: { watch: waiting, get: () => new Promise(() => {}) },
        owners: {
          async *recall() {
            recalling.resolve();
            await release.promise;
            yield sampleProgress;
          },
        },
      }),
    });
    const clients = connectClients(server.address);
    const watch = clients.guests.watch({})[Symbol.asyncIterator]();
    await watch.next();
    const hanging = failure(clients.guests.get({ id: "g-1" }));
    const recall = collect(clients.owners.recall({ target: fleet }));
    await recalling.promise;

    const closed = server.close(500);
    expect(await failure(watch.next())).toMatchObject({ code: "SERVER_STOPPING" });
    release.resolve();
    expect(await recall).toMatchObject([{ stage: "RECALL_STAGE_RELEASED" }]);
    expect(await hanging).toMatchObject({ code: "CONTROLLER_UNREACHABLE" });
    await closed;
    expect(await failure(clients.guests.submit({}))).toMatchObject({
      code: "CONTROLLER_UNREACHABLE",
    });
    clients.close();
  });

  it("refuses an address that others can reach, and one that is taken", async () => {
    const start = (listen: string) =>
      startApiServer({ listen, desks: testDesks(), settings, logger: silent });
    expect(await failure(start("0.0.0.0:0"))).toMatchObject({ code: "INSECURE_LISTEN" });
    expect(await failure(start("[::]:0"))).toMatchObject({ code: "INSECURE_LISTEN" });
    await using api = await startTestApi();
    expect(await failure(start(api.server.address))).toMatchObject({ code: "LISTEN_FAILED" });
  });

  it("a client waits out a controller that is still coming up", async () => {
    const first = await startApiServer({
      listen: "127.0.0.1:0",
      desks: testDesks(),
      settings,
      logger: silent,
    });
    await first.close(0);
    const clients = connectClients(first.address);
    const answer = clients.guests.get({ id: "g-1" });
    const second = await startApiServer({
      listen: first.address,
      desks: testDesks(),
      settings,
      logger: silent,
    });
    expect((await answer).guest?.id).toBe("g-1");
    clients.close();
    await second.close(0);
  });
});

describe("what tools see", () => {
  it("health follows the callback, and Watch tells each change", async () => {
    let serving = false;
    await using api = await startTestApi(testDesks(), { serving: () => serving });
    const { health } = api.clients;
    expect(await health.check({})).toEqual({ status: "NOT_SERVING" });
    const watch = health.watch({ service: "gleaner.v1.OwnerService" })[Symbol.asyncIterator]();
    expect((await watch.next()).value).toEqual({ status: "NOT_SERVING" });
    serving = true;
    expect((await watch.next()).value).toEqual({ status: "SERVING" });
    expect(await health.check({ service: "gleaner.v1.GuestService" })).toEqual({ status: "SERVING" });
    expect(await failure(health.check(HealthCheckRequest.create({ service: "nope" })))).toMatchObject({
      code: "SERVICE_NOT_FOUND",
    });
    await watch.return?.();
  });

  it.each(["v1", "v1alpha"])("reflection %s lists and describes every service", async (version) => {
    await using api = await startTestApi();
    using raw = new RawClient(api.server.address);
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    // ServerReflectionRequest: list_services = 7, file_containing_symbol = 4.
    const listed = String(await raw.firstAnswer(path, Buffer.from([0x3a, 0])));
    for (const service of ["Guest", "Owner", "Report", "Agent"].map((name) => `gleaner.v1.${name}Service`)) {
      expect(listed).toContain(service);
      const described = await raw.firstAnswer(
        path,
        Buffer.from([0x22, service.length, ...Buffer.from(service)]),
      );
      expect(String(described)).toContain(service.split(".").at(-1));
    }
    expect(listed).toContain("grpc.health.v1.Health");
  });
});

describe("an agent's own server", () => {
  it("serves Recall and says where the rest is served", async () => {
    const server = await createRecallServer({
      listen: "127.0.0.1:0",
      desk: testDesks().owners,
      settings,
      logger: silent,
    });
    const clients = connectClients(server.address);
    expect(await collect(clients.owners.recall({ target: fleet }))).toHaveLength(2);
    expect(await failure(clients.owners.hold({ target: fleet }))).toMatchObject({
      code: "NOT_SERVED_HERE",
      remedy: "Call the controller for OwnerService.Hold.",
    });
    expect(await clients.health.check({})).toEqual({ status: "SERVING" });
    expect(await failure(clients.guests.get({ id: "g-1" }))).toMatchObject({ code: "UNEXPECTED_ANSWER" });
    clients.close();
    await server.close(0);
  });
});
