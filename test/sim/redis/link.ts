import type { Network } from "../world/network.ts";
import type { Random } from "../world/random.ts";
import type { Cancel } from "../world/scheduler.ts";

/** `there`: from the client to the server. */
export type Way = "there" | "back";

/** The network between a client and its Redis. Ms of the world. */
export interface RedisLink {
  /** Of one message. */
  delayMs(): number;
  isUp(way: Way): boolean;
  /** Calls once, when the way is up again. */
  whenUp(way: Way, act: () => void): Cancel;
  /** Whether the connection breaks under this message, of which some may still arrive. */
  breaks(way: Way): boolean;
  /** How many of the commands, or replies, that are under way when the connection breaks still arrive. */
  arrive(underWay: number): number;
}

/** Over the network of the world, between two of its hosts. */
export function networkLink(network: Network, client: string, server: string, random: Random): RedisLink {
  const ends = (way: Way): [string, string] => (way === "there" ? [client, server] : [server, client]);
  return {
    delayMs: () => network.delayMs(),
    isUp: (way) => network.passes(...ends(way)),
    whenUp: (way, act) => network.whenMended(...ends(way), act),
    breaks: () => network.breaks(),
    arrive: (underWay) => random.int(0, underWay),
  };
}

/** Nothing ever goes wrong on it. */
export function steadyLink(delayMs = 0): RedisLink {
  return {
    delayMs: () => delayMs,
    isUp: () => true,
    whenUp: () => () => {},
    breaks: () => false,
    arrive: (underWay) => underWay,
  };
}
