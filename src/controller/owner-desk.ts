import { targetCovers, type Hold, type Target } from "../core/target.ts";
import type { PoolPolicy } from "../core/policy.ts";
import { agentPolicyToProto } from "../api/convert/policy.ts";
import type { OwnerDesk, RecallOrder, RecallProgress } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import { identify } from "./identify.ts";
import type { Device, Fleet } from "./fleet.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { OwnerWatch } from "./owner-watch.ts";
import type { Recalls } from "./recalls.ts";

interface OwnersParts {
  readonly fleet: Fleet;
  readonly recalls: Recalls;
  readonly signals: OwnerSignals;
  readonly clock: Clock;
  readonly log: Logger;
  readonly wake: () => void;
  readonly watch: OwnerWatch;
}

/** What owners may ask for. Everything that takes devices back acts before it is written anywhere. */
export class Owners implements OwnerDesk {
  readonly #parts: OwnersParts;

  constructor(parts: OwnersParts) {
    this.#parts = parts;
  }

  recall(order: RecallOrder, signal: AbortSignal): AsyncIterable<RecallProgress> {
    return this.#parts.recalls.recall(order, signal);
  }

  async busy(
    target: Target,
    ttlMs: number,
    reason: string,
  ): Promise<{ devicesPaused: number; expiresAtMs: number }> {
    const { recalls, signals, clock, log } = this.#parts;
    this.#check(target);
    const devicesPaused = recalls.pauseForHint(target, ttlMs);
    const expiresAtMs = clock.wallMs() + ttlMs;
    log.info(
      { target, reason, devicesPaused },
      `an owner announced work: ${devicesPaused} lent devices paused`,
    );
    await signals.hint({ id: identify(target), target, reason, expiresAtMs });
    return { devicesPaused, expiresAtMs };
  }

  async idle(target: Target): Promise<{ hintsEnded: number; recallsWithdrawn: number }> {
    const { recalls, signals, fleet, wake } = this.#parts;
    this.#check(target);
    const recallsWithdrawn = recalls.withdraw((device) => targetCovers(target, device.info));
    const hintsEnded = await signals.endHints((hint) =>
      isWithin(hint.target, target, fleet.devices.values()),
    );
    recalls.withdrawHint(target);
    wake();
    return { hintsEnded, recallsWithdrawn };
  }

  async hold(target: Target, ttlMs: number | null, reason: string, recall: boolean): Promise<Hold> {
    const { signals, clock, recalls, log } = this.#parts;
    this.#check(target);
    const createdAtMs = clock.wallMs();
    const hold: Hold = {
      id: identify(target, reason),
      target,
      reason,
      createdAtMs,
      expiresAtMs: ttlMs === null ? null : createdAtMs + ttlMs,
    };
    if (recall) {
      const order = { target, deadlineMs: null, firstRung: null, reason: reason || "hold", holdMs: 0 };
      // Nobody follows this stream: the recall goes on by itself.
      void recalls.recall(order, AbortSignal.abort());
    }
    // In memory in this same turn: nothing is lent between the recall and the hold.
    await signals.hold(hold);
    log.info({ hold: hold.id, target, reason }, "lending is held");
    return hold;
  }

  async unhold(which: { readonly id: string } | { readonly target: Target }): Promise<readonly Hold[]> {
    const { signals, log, wake } = this.#parts;
    const holds = signals.holds();
    const ended =
      "id" in which
        ? holds.filter(({ id }) => id === which.id)
        : holds.filter(({ target }) => identify(target) === identify(which.target));
    if ("id" in which && ended.length === 0) throw new GleanerError("HOLD_NOT_FOUND", { id: which.id });
    await signals.unhold(ended.map(({ id }) => id));
    log.info({ holds: ended.map(({ id }) => id) }, `${ended.length} holds ended`);
    wake();
    return ended;
  }

  async holds(): Promise<readonly Hold[]> {
    return this.#parts.signals.holds();
  }

  async setPolicy(policy: PoolPolicy): Promise<PoolPolicy> {
    const { signals, fleet, watch, log, wake } = this.#parts;
    const { owner } = signals.policyOf(policy.pool);
    await signals.setPolicy(policy);
    if (policy.owner !== owner) watch.ownerChanged(policy.pool);
    for (const session of fleet.agents.values())
      session.send({ $case: "poolSettings", value: agentPolicyToProto(policy) });
    log.info({ policy: policy }, `policy of pool ${policy.pool} set: ${policy.mode}`);
    wake();
    return policy;
  }

  async policies(): Promise<readonly PoolPolicy[]> {
    const { signals, fleet } = this.#parts;
    const pools = new Set([...fleet.devices.values()].map(({ info }) => info.pool));
    const named = signals.policies();
    for (const { pool } of named) pools.delete(pool);
    return [...named, ...[...pools].toSorted().map((pool) => signals.policyOf(pool))];
  }

  #check(target: Target): void {
    const { fleet, signals } = this.#parts;
    if (target.kind === "devices") {
      for (const uuid of target.uuids)
        if (!fleet.devices.has(uuid)) throw new GleanerError("DEVICE_NOT_FOUND", { uuid });
    } else if (target.kind === "pool" && fleet.devicesIn(target.pool) === 0) {
      if (!signals.policies().some(({ pool }) => pool === target.pool))
        throw new GleanerError("POOL_NOT_FOUND", { pool: target.pool });
    }
  }
}

/** Whether every device of the inner target lies in the outer one. */
function isWithin(inner: Target, outer: Target, devices: Iterable<Device>): boolean {
  if (outer.kind === "fleet" || identify(inner) === identify(outer)) return true;
  let any = false;
  for (const { info } of devices) {
    if (!targetCovers(inner, info)) continue;
    if (!targetCovers(outer, info)) return false;
    any = true;
  }
  // Of devices that no agent has told of yet, nobody knows where they lie.
  return any;
}
