import { describe, expect, it } from "vitest";
import { Channel } from "../../src/runtime/channel.ts";

async function drain<T>(channel: Channel<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of channel) items.push(item);
  return items;
}

describe("Channel", () => {
  it("hands over everything in order, whether the reader waits or the items do", async () => {
    const channel = new Channel<number>(10_000);
    const reading = drain(channel);
    for (let i = 0; i < 5_000; i += 1) expect(channel.push(i)).toBe(true);
    channel.close();
    expect(await reading).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
  });

  it("keeps the order while reading and writing alternate past the bound of its inner store", async () => {
    const channel = new Channel<number>(5_000);
    const read: number[] = [];
    let next = 0;
    for (let round = 0; round < 10; round += 1) {
      while (channel.push(next)) next += 1;
      for (let i = 0; i < 1_500; i += 1) read.push((await channel.next()).value!);
    }
    expect(read).toEqual(Array.from({ length: 15_000 }, (_, i) => i));
    expect(channel.size).toBe(next - 15_000);
  });

  it("I11: takes no more than its capacity and says so", async () => {
    const channel = new Channel<string>(2);
    expect([channel.push("a"), channel.push("b"), channel.push("c")]).toEqual([true, true, false]);
    expect((await channel.next()).value).toBe("a");
    expect(channel.push("d")).toBe(true);
    channel.close();
    expect(channel.push("e")).toBe(false);
    expect(await drain(channel)).toEqual(["b", "d"]);
  });

  it("gives a late reader what is queued before the error", async () => {
    const channel = new Channel<string>(2);
    channel.push("a");
    channel.fail(new Error("broken"));
    expect((await channel.next()).value).toBe("a");
    await expect(channel.next()).rejects.toThrow("broken");
    expect(await channel.next()).toEqual({ done: true, value: undefined });
  });

  it("throws the error to a reader who waits already", async () => {
    const channel = new Channel<string>(2);
    const reading = drain(channel);
    channel.fail(new Error("broken"));
    await expect(reading).rejects.toThrow("broken");
  });

  it("ends without an error and drops what is queued when the signal aborts", async () => {
    const leaving = new AbortController();
    const channel = new Channel<string>(2, leaving.signal);
    channel.push("a");
    leaving.abort();
    expect(channel.ended).toBe(true);
    expect(await drain(channel)).toEqual([]);
    const late = new Channel<string>(2, leaving.signal);
    expect(late.push("b")).toBe(false);
  });

  it("wakes a waiting reader when the signal aborts", async () => {
    const leaving = new AbortController();
    const reading = drain(new Channel<string>(2, leaving.signal));
    leaving.abort();
    expect(await reading).toEqual([]);
  });

  it("tells the writer that the reader left", async () => {
    const channel = new Channel<string>(2);
    channel.push("a");
    for await (const item of channel) if (item === "a") break;
    expect(channel.push("b")).toBe(false);
  });

  it("has one reader", async () => {
    const channel = new Channel<string>(2);
    void channel.next();
    expect(() => channel.next()).toThrow("one reader");
  });
});
