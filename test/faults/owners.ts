import { setTimeout as sleep } from "node:timers/promises";
import { connectClients } from "../../src/api/client.ts";
import { GleanerError } from "../../src/errors/gleaner-error.ts";
import { RecallStage, type RecallRequest, type Rung } from "../../src/gen/gleaner/v1/owners.ts";
import { nowMs } from "./oracle.ts";

/** What an owner saw of one Recall. Times as `nowMs`. */
export interface Served {
  /** When the owner first called. */
  readonly askedAtMs: number;
  /** When the call left that was answered; earlier ones met nobody. */
  readonly sentAtMs: number;
  /** When the compute was said to be back: frozen, or released. */
  readonly computeAtMs: number | null;
  readonly pausedAtMs: number | null;
  readonly releasedAtMs: number | null;
  /** Of every stage, in order. */
  readonly stages: readonly string[];
}

const retryMs = 20;

/** Calls by the product's client, which asks the next address where one is silent, and again where all fail, and listens to the end; or until `until` holds. */
export async function recall(
  addresses: readonly string[],
  device: string,
  { deadlineMs, firstRung, giveUpMs }: { deadlineMs: number; firstRung: Rung; giveUpMs: number },
  until: (stage: RecallStage) => boolean = () => false,
): Promise<Served> {
  const request: RecallRequest = {
    target: { scope: { $case: "devices", value: { uuids: [device] } } },
    deadlineMs,
    firstRung,
    reason: "faults",
    holdMs: 0,
  };
  const askedAtMs = nowMs();
  const stages: string[] = [];
  let sentAtMs = askedAtMs;
  const at = new Map<RecallStage, number>();
  for (;;) {
    if (at.size === 0) sentAtMs = nowMs();
    // A connection of its own, as each `gleaner recall` has.
    const clients = connectClients(addresses);
    const patience = AbortSignal.timeout(Math.max(1, Math.round(askedAtMs + giveUpMs - nowMs())));
    try {
      for await (const { stage } of clients.owners.recall(request, { signal: patience })) {
        if (!at.has(stage)) at.set(stage, nowMs());
        stages.push(`${stage.replace("RECALL_STAGE_", "")}+${(nowMs() - askedAtMs).toFixed(0)}`);
        if (until(stage)) break;
      }
      break;
    } catch (thrown) {
      if (patience.aborted) break;
      stages.push(
        `${thrown instanceof GleanerError ? thrown.code : String(thrown)}+${(nowMs() - askedAtMs).toFixed(0)}`,
      );
      await sleep(retryMs);
    } finally {
      clients.close();
    }
  }
  const pausedAtMs = at.get(RecallStage.PAUSED) ?? null;
  const releasedAtMs = at.get(RecallStage.RELEASED) ?? null;
  return { askedAtMs, sentAtMs, computeAtMs: pausedAtMs ?? releasedAtMs, pausedAtMs, releasedAtMs, stages };
}

/** Asks again until it is answered. */
export async function insist<T>(ask: () => Promise<T>, giveUpMs: number): Promise<T> {
  const giveUpAtMs = nowMs() + giveUpMs;
  for (;;) {
    try {
      return await ask();
    } catch (thrown) {
      if (nowMs() > giveUpAtMs) throw thrown;
      await sleep(retryMs);
    }
  }
}
