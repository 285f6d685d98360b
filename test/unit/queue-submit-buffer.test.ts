import { describe, expect, it } from "vitest";
import type { Submission } from "../../src/api/ports.ts";
import type { QueueOutcome } from "../../src/queue/admission.ts";
import { SubmitBuffer } from "../../src/queue/submit-buffer.ts";
import { guestSpec } from "../support/queue.ts";

const call = (names: readonly string[]): Submission[] =>
  names.map((name) => ({ spec: guestSpec({ name }), idempotencyKey: "" }));

/** Flushes that end when the test says so. */
function gatedFlush() {
  const flushed: string[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const flush = async (submissions: readonly Submission[]): Promise<QueueOutcome[]> => {
    flushed.push(submissions.map(({ spec }) => spec.name));
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
    return submissions.map(({ spec }) => ({
      id: spec.name,
      sequence: 1,
      submittedAtMs: 0,
      spec,
      created: true,
    }));
  };
  return { flushed, gates, flush };
}

const turn = () => new Promise(setImmediate);
const idsOf = (outcomes: readonly QueueOutcome[]) =>
  outcomes.map((outcome) => ("id" in outcome ? outcome.id : ""));

describe("SubmitBuffer", () => {
  it("gathers calls of one turn, then those that come while two flushes are under way, and gives each its answers", async () => {
    const { flushed, gates, flush } = gatedFlush();
    const buffer = new SubmitBuffer({ flush, flushGuestsMax: 3, backlogMax: 100 });
    const answers = ["a", "b", "c", "d", "e", "f", "g"].map((name) => buffer.submit(call([name])));
    await turn();
    await turn();
    expect(flushed).toEqual([
      ["a", "b", "c"],
      ["d", "e", "f"],
    ]);
    const late = buffer.submit(call(["h", "i"]));
    gates[0]!.resolve();
    expect(idsOf((await Promise.all(answers.slice(0, 3))).flat())).toEqual(["a", "b", "c"]);
    await turn();
    expect(flushed[2]).toEqual(["g", "h", "i"]);
    for (const gate of gates) gate.resolve();
    expect(idsOf(await late)).toEqual(["h", "i"]);
    await buffer.idle();
    expect(flushed).toHaveLength(3);
  });

  it("cuts a large call into flushes and puts its answers together in order", async () => {
    const { flushed, gates, flush } = gatedFlush();
    const buffer = new SubmitBuffer({ flush, flushGuestsMax: 2, backlogMax: 100 });
    const answer = buffer.submit(call(["a", "b", "c", "d", "e"]));
    while (flushed.length < 3) {
      for (const gate of gates) gate.resolve();
      await turn();
    }
    gates[2]!.resolve();
    expect(idsOf(await answer)).toEqual(["a", "b", "c", "d", "e"]);
    expect(flushed).toEqual([["a", "b"], ["c", "d"], ["e"]]);
  });

  it("shares many calls among the flushes that may begin, few go together", async () => {
    const { flushed, gates, flush } = gatedFlush();
    const buffer = new SubmitBuffer({ flush, flushGuestsMax: 256, backlogMax: 1_000 });
    const submit = (count: number) => Array.from({ length: count }, (_, i) => buffer.submit(call([`${i}`])));
    const many = submit(100);
    await turn();
    await turn();
    expect(flushed.map(({ length }) => length)).toEqual([50, 50]);
    for (const gate of gates) gate.resolve();
    await Promise.all(many);
    await buffer.idle();
    const few = submit(32);
    await turn();
    await turn();
    expect(flushed.map(({ length }) => length)).toEqual([50, 50, 32]);
    gates[2]!.resolve();
    await Promise.all(few);
  });

  it("a flush that fails fails its calls only", async () => {
    let failing = true;
    const buffer = new SubmitBuffer({
      flush: async (submissions) => {
        if (failing) throw new Error("down");
        return submissions.map(({ spec }) => ({
          id: spec.name,
          sequence: 1,
          submittedAtMs: 0,
          spec,
          created: true,
        }));
      },
      flushGuestsMax: 10,
      backlogMax: 100,
    });
    await expect(Promise.all([buffer.submit(call(["a"])), buffer.submit(call(["b"]))])).rejects.toMatchObject(
      {
        code: "INTERNAL",
      },
    );
    failing = false;
    expect(idsOf(await buffer.submit(call(["c"])))).toEqual(["c"]);
  });

  it("I11: refuses what would exceed the backlog, and takes it again once there is room", async () => {
    const { gates, flush } = gatedFlush();
    const buffer = new SubmitBuffer({ flush, flushGuestsMax: 1, backlogMax: 2 });
    const first = [buffer.submit(call(["a"])), buffer.submit(call(["b"]))];
    await expect(buffer.submit(call(["c"]))).rejects.toMatchObject({
      code: "SUBMIT_BACKLOG_FULL",
      details: { count: 2, countMax: 2 },
    });
    await turn();
    for (const gate of gates) gate.resolve();
    await Promise.all(first);
    const again = buffer.submit(call(["c"]));
    await turn();
    gates[2]!.resolve();
    expect(idsOf(await again)).toEqual(["c"]);
  });
});
