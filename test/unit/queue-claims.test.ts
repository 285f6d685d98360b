import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Claims, compareWaiting } from "../../src/queue/claims.ts";
import { laneOf, newGuestId } from "../../src/queue/lane.ts";
import { guestSpec } from "../support/queue.ts";

const nowMs = 1_000;
const fresh = { evictions: 0, workedMs: 0, waitingSinceMs: 0, notBeforeMs: 0 };

function guestAt(sequence: number, priority: number) {
  const spec = guestSpec({ priority });
  return { id: newGuestId(laneOf(spec)), sequence, submittedAtMs: 0, spec };
}

const step = fc.oneof(
  fc.record({ do: fc.constant("enter" as const), priority: fc.nat(3), held: fc.boolean() }),
  fc.record({
    do: fc.constantFrom("admit", "back", "hold", "leave", "stay", "remove" as const),
    pick: fc.nat(),
  }),
  fc.record({ do: fc.constantFrom("heads", "release" as const) }),
);

describe("Claims", () => {
  it("heads are all that wait, in order, each once, whatever came and went", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const claims = new Claims();
        const guests: ReturnType<typeof guestAt>[] = [];
        const states = new Map<string, string>();
        for (const [i, each] of steps.entries()) {
          if ("priority" in each) {
            // Later steps have earlier sequences at times: what is found claimed comes in any order.
            const guest = guestAt((i * 37) % 101, each.priority);
            guests.push(guest);
            claims.enterWaiting(guest, { ...fresh, notBeforeMs: each.held ? nowMs + 1 : 0 }, nowMs);
            states.set(guest.id, each.held ? "held" : "waiting");
          } else if ("pick" in each && guests.length > 0) {
            const { id } = guests[each.pick % guests.length]!;
            apply(claims, states, id, each.do);
          } else if (each.do === "release") {
            claims.releaseHeld(nowMs + 1);
            for (const [id, state] of states) if (state === "held") states.set(id, "waiting");
          } else {
            claims.heads();
          }
        }
        const wanted = guests.filter(({ id }) => states.get(id) === "waiting").map(({ id }) => id);
        const heads = claims.heads();
        expect(heads.map(({ id }) => id).toSorted()).toEqual(wanted.toSorted());
        expect(heads).toEqual(heads.toSorted(compareWaiting));
        expect(claims.waiting).toBe(wanted.length);
        expect(claims.held).toBe([...states.values()].filter((state) => state === "held").length);
        const lanes = new Set(wanted.map((id) => id.slice(0, 10)));
        expect(claims.lanesWaiting).toBe(lanes.size);
        expect(claims.lanesOver(0)).toEqual(lanes);
        for (const { id } of guests) expect(claims.has(id)).toBe(states.has(id));
      }),
    );
  });
});

function apply(claims: Claims, states: Map<string, string>, id: string, act: string): void {
  const state = states.get(id);
  switch (act) {
    case "admit":
      expect(claims.admit(id)).toBe(state === "waiting");
      if (state === "waiting") states.set(id, "running");
      return;
    case "back":
    case "hold": {
      const notBeforeMs = act === "hold" ? nowMs + 1 : 0;
      expect(claims.waitAgain(id, { ...fresh, notBeforeMs }, nowMs)).toBe(state === "running");
      if (state === "running") states.set(id, act === "hold" ? "held" : "waiting");
      return;
    }
    case "leave":
      expect(claims.leave(id) !== null).toBe(state !== undefined && state !== "leaving");
      if (state !== undefined) states.set(id, "leaving");
      return;
    case "stay":
      claims.stay(id, "waiting");
      if (state === "leaving") states.set(id, "waiting");
      return;
    default:
      claims.remove(id);
      states.delete(id);
  }
}
