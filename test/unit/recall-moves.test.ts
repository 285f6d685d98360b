import { expect, it } from "vitest";
import { untilItMoves, type RecallStream } from "../../src/api/recall-moves.ts";
import { RecallStage, type RecallResponse } from "../../src/gen/gleaner/v1/owners.ts";
import { Channel } from "../../src/runtime/channel.ts";

const { ACCEPTED, PAUSED, RELEASED } = RecallStage;

class Server {
  left = false;
  readonly asked = Promise.withResolvers<void>();
  readonly #said = new Channel<RecallResponse>(100);
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  say(...stages: RecallStage[]): this {
    for (const stage of stages) this.#said.push({ recallId: this.#name, stage } as RecallResponse);
    return this;
  }

  end(): this {
    this.#said.close();
    return this;
  }

  fail(): this {
    this.#said.fail(new Error("gone"));
    return this;
  }

  get stream(): RecallStream {
    this.asked.resolve();
    const leave = () => {
      this.left = true;
      this.#said.close();
    };
    return { answers: this.#said[Symbol.asyncIterator](), leave };
  }
}

async function heard(taken: Server, others: Record<string, Server>): Promise<string[]> {
  const told: string[] = [];
  const open = (name: string) => others[name]!.stream;
  for await (const { recallId, stage } of untilItMoves(taken.stream, Object.keys(others), open))
    told.push(`${recallId} ${stage.replace("RECALL_STAGE_", "").toLowerCase()}`);
  return told;
}

it("asks nobody else where the recall gets on", async () => {
  const other = new Server("other").fail();
  const taken = new Server("taken").say(ACCEPTED, PAUSED, RELEASED).end();
  expect(await heard(taken, { other })).toEqual(["taken accepted", "taken paused", "taken released"]);
  expect(other.left).toBe(false);
});

it("follows another where nothing moves, past one that fails, and leaves the first", async () => {
  const taken = new Server("taken").say(ACCEPTED);
  const broken = new Server("broken").fail();
  const other = new Server("other").say(ACCEPTED, PAUSED, RELEASED).end();
  expect(await heard(taken, { broken, other })).toEqual(["taken accepted", "other paused", "other released"]);
  expect(taken.left).toBe(true);
});

it("goes on with the first where the others get no further, and leaves them", async () => {
  const taken = new Server("taken").say(ACCEPTED);
  const other = new Server("other").say(ACCEPTED);
  const hearing = heard(taken, { other });
  await other.asked.promise;
  taken.say(PAUSED, RELEASED).end();
  expect(await hearing).toEqual(["taken accepted", "taken paused", "taken released"]);
  expect(other.left).toBe(true);
});
