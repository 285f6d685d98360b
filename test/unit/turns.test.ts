import { describe, expect, it } from "vitest";
import { Turns, unlessAborted } from "../../src/runtime/turns.ts";

const patient = new AbortController().signal;

describe("turns", () => {
  it("come one at a time, in the order of asking", async () => {
    const turns = new Turns(10);
    const had: number[] = [];
    await turns.take(patient);
    const others = [1, 2, 3].map(async (number) => {
      await turns.take(patient);
      had.push(number);
      turns.pass();
    });
    expect(had).toEqual([]);
    turns.pass();
    await Promise.all(others);
    expect(had).toEqual([1, 2, 3]);
  });

  it("are full at their bound, and have room again when one has left or passed", async () => {
    const turns = new Turns(1);
    expect(turns.isFull).toBe(false);
    await turns.take(patient);
    expect(turns.isFull).toBe(false);
    const impatient = new AbortController();
    const waiting = turns.take(impatient.signal);
    expect(turns.isFull).toBe(true);
    impatient.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    expect(turns.isFull).toBe(false);
  });

  it("never come to one that has left", async () => {
    const turns = new Turns(10);
    await turns.take(patient);
    const impatient = new AbortController();
    const left = turns.take(impatient.signal);
    const next = turns.take(patient);
    impatient.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    turns.pass();
    await next;
    await expect(turns.take(AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
  });
});

describe("a promise with a signal", () => {
  it("gives what it gives, unless the signal aborts first", async () => {
    expect(await unlessAborted(Promise.resolve(7), patient)).toBe(7);
    await expect(unlessAborted(Promise.reject(new Error("own")), patient)).rejects.toThrow("own");
    const impatient = new AbortController();
    const never = unlessAborted(new Promise<never>(() => {}), impatient.signal);
    impatient.abort(new Error("gone"));
    await expect(never).rejects.toThrow("gone");
    await expect(unlessAborted(Promise.resolve(7), impatient.signal)).rejects.toThrow("gone");
  });
});
