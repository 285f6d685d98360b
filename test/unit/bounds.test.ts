import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { LeaseJournal } from "../../src/agent/lease/lease-journal.ts";
import { Outbox } from "../../src/agent/link/outbox.ts";
import type { AttemptLog } from "../../src/agent/log/guest-log.ts";
import { LogReader } from "../../src/agent/log/log-reader.ts";
import { RecallBook, type LocalRecall } from "../../src/agent/recall/recall-book.ts";
import type { LeaseRecord } from "../../src/agent/disk/lease-record.ts";
import { systemDisk } from "../../src/agent/disk/system-disk.ts";
import { systemHostClock } from "../../src/agent/host-clock.ts";
import { OpenStreams } from "../../src/api/open-streams.ts";
import { limitLog } from "../../src/cli/supervisor.ts";
import { controllerCause } from "../../src/core/ladder-state.ts";
import { AgentSession } from "../../src/controller/agent-session.ts";
import { bytesMax, LogReads } from "../../src/controller/log-reads.ts";
import type { LogChunk } from "../../src/gen/gleaner/v1/agents.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { RequestIds, unansweredMax } from "../../src/store/request-ids.ts";

const logger = pino({ level: "silent" });
const session = () => new AgentSession({ host: "h", agentId: "a", reign: { epoch: 1 } });
const message = () => ({ body: undefined });

/** What a stream that failed throws once its queue is read. */
async function failureOf(items: AsyncIterable<unknown>): Promise<unknown> {
  try {
    for await (const _ of items);
  } catch (thrown) {
    return thrown;
  }
  throw new Error("it did not fail");
}

describe("what waits in the controller", () => {
  it("I11: an agent that reads too slowly is cut off", async () => {
    const slow = session();
    for (let i = 0; i <= slow.outgoing.capacity; i += 1)
      slow.send({ $case: "endedGuests", value: { guests: [] } });
    expect(slow.outgoing.ended).toBe(true);
    expect(await failureOf(slow.outgoing)).toMatchObject({ message: "agent a reads too slowly" });
  });

  it("I11: an agent that answers no commands is cut off", async () => {
    const mute = session();
    const read: Promise<IteratorResult<unknown>>[] = [];
    for (let i = 0; i <= 20_000; i += 1) {
      read.push(mute.outgoing.next().catch((thrown: unknown) => ({ done: true, value: thrown }) as never));
      mute.command("resume", { id: "g:1", token: { generation: 1, number: i } }, {});
    }
    expect(mute.outgoing.ended).toBe(true);
    expect((await read.at(-1)!).value).toMatchObject({ message: "agent a answers no commands" });
  });

  it("I11: no more agents are served than there are places", async () => {
    const streams = new OpenStreams(1, Infinity, "TOO_MANY_AGENTS");
    const signal = new AbortController().signal;
    const forever = async function* () {
      for (;;) yield 1;
    };
    const first = streams.serve(signal, forever);
    await first.next();
    await expect(streams.serve(signal, forever).next()).rejects.toMatchObject({
      code: "TOO_MANY_AGENTS",
      status: "RESOURCE_EXHAUSTED",
    });
    await first.return();
    expect((await streams.serve(signal, forever).next()).done).toBe(false);
  });

  it("I11: readers of logs share so many bytes, and the one whose chunk comes next is cut off", async () => {
    const from = session();
    const reads = new LogReads();
    const query = { id: "g", attempt: 0, tailBytes: 0, follow: true };
    const open = Array.from({ length: 8 }, () => {
      const pieces = reads.read(from, query, new AbortController().signal)[Symbol.asyncIterator]();
      return { pieces, first: pieces.next() };
    });
    const chunk = (requestId: number): LogChunk => ({
      requestId,
      attempt: 1,
      data: new Uint8Array(512 * 1_024),
      droppedBytes: 0,
      last: false,
      detail: "",
    });
    const each = bytesMax / (512 * 1_024) / open.length;
    for (let i = 0; i <= each + 1; i += 1)
      for (let id = 1; id <= open.length; id += 1) reads.take(from, chunk(id));
    expect(reads.open.bytes).toBeLessThanOrEqual(bytesMax);
    const ends = await Promise.all(
      open.map(async ({ pieces, first }) => {
        await first;
        for (let i = 0; i <= each; i += 1) {
          const outcome = await pieces.next().catch((thrown: { code: string }) => thrown.code);
          if (typeof outcome === "string") return outcome;
        }
        return "reads on";
      }),
    );
    expect(ends).toContain("WATCHER_TOO_SLOW");
    for (const { pieces } of open) await pieces.return?.(undefined);
    expect(reads.open).toMatchObject({ count: 0, bytes: 0 });
  });

  it("I11: of requests without an answer the oldest are forgotten", async () => {
    const ids = new RequestIds(() => "self");
    const fail = (subjects: readonly string[]) =>
      ids.ask(subjects, () => Promise.reject(new Error("down"))).catch(() => {});
    await fail(["oldest"]);
    await fail(["second"]);
    await fail(Array.from({ length: unansweredMax - 1 }, (_, i) => `s${i}`));
    let asked: readonly string[] = [];
    await ids.ask(["second", "oldest"], async (given) => (asked = given));
    expect(asked).toEqual(["self:2", `self:${unansweredMax + 2}`]);
  });
});

describe("what waits in an agent", () => {
  it("I11: the stream's outbox refuses messages beyond its bound, and drops the oldest samples", async () => {
    const outbox = new Outbox();
    const { messagesMax } = outbox.waiting;
    for (let i = 0; i < messagesMax; i += 1) expect(outbox.push(message)).toBe(true);
    expect(outbox.push(message)).toBe(false);
    for (let i = 0; i < 100; i += 1) outbox.pushSamples(message);
    expect(outbox.waiting).toEqual({ messages: messagesMax, messagesMax, batches: 64 });
    expect(outbox.takeDropped()).toBe(36);
  });

  const recall = (recallId: string): LocalRecall => ({
    recallId,
    device: "GPU-0",
    arrivedAtMs: 0,
    deadlineMs: 1_000,
    firstRung: "pause",
    reason: "",
    holdMs: 0,
    leaseId: "g:1",
    stage: "accepted",
    releasedAtMs: null,
  });

  it("I11: an agent takes only so many recalls that stand, and keeps the newest reports of them", async () => {
    const dir = mkdtempSync(join(tmpdir(), "gleaner-bounds-"));
    const clock = systemHostClock();
    const book = new RecallBook(systemDisk(), join(dir, "recalls.json"), clock, logger, 3);
    for (let i = 0; i < 9_999; i += 1) book.put(recall(`r${i}`));
    expect(book.isFull()).toBe(false);
    book.put(recall("last"));
    expect(book.isFull()).toBe(true);
    for (const id of ["a", "b", "c", "d"]) book.journal(recall(id));
    expect(book.unacknowledged().map(({ recallId }) => recallId)).toEqual(["b", "c", "d"]);
    book.close();
    clock.close();
    rmSync(dir, { recursive: true });
  });

  it("I11: of one lease that nobody acknowledges the newest 1,000 steps are kept", () => {
    const record = {
      leaseId: "g:1",
      token: { generation: 1, number: 1 },
      devices: [],
      lastStep: null,
      unacknowledged: [],
    };
    const journal = new LeaseJournal(record as unknown as LeaseRecord, {
      clock: systemClock,
      logger,
      save: () => {},
      report: () => {},
    });
    for (let i = 0; i < 1_200; i += 1)
      journal.addStep({ state: i % 2 === 0 ? "paused" : "running", cause: controllerCause }, i, null);
    const { unacknowledged } = journal.record;
    expect([unacknowledged.length, unacknowledged[0]!.step, unacknowledged.at(-1)!.step]).toEqual([
      1_000, 201, 1_200,
    ]);
  });

  it("I11: an agent reads only so many logs at a time, and says so", async () => {
    const sent: LogChunk[] = [];
    const quiet: AttemptLog = {
      file: "",
      rotate: async () => {},
      read: async (position) => ({ data: new Uint8Array(), position, droppedBytes: 0 }),
      end: async () => 0,
    };
    const reader = new LogReader({
      find: () => ({ attempt: 1, log: quiet, hasEnded: () => false }),
      send: (chunk) => sent.push(chunk) > 0,
      clock: systemClock,
      logger,
    });
    const request = { guestId: "g", attempt: 1, tailBytes: 0, follow: true, cancel: false };
    for (let requestId = 1; requestId <= 257; requestId += 1) reader.take({ ...request, requestId });
    expect(sent).toMatchObject([{ requestId: 257, last: true, detail: "this agent reads 256 logs already" }]);
    reader.cancelAll();
  });
});

it("I11: the log of a supervised process begins anew at its bound, one older file beside it", () => {
  const dir = mkdtempSync(join(tmpdir(), "gleaner-bounds-"));
  const path = join(dir, "log");
  writeFileSync(path, "old ".repeat(10));
  limitLog(path, 100);
  expect(statSync(path).size).toBe(40);
  limitLog(path, 39);
  expect(statSync(path).size).toBe(0);
  expect(readFileSync(`${path}.1`, "utf8")).toBe("old ".repeat(10));
  rmSync(dir, { recursive: true });
});
