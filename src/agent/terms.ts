import type { RenewTerms, TermsRenewed } from "../gen/gleaner/v1/agents.ts";
import { isLive } from "../core/lease.ts";
import type { Logger } from "../runtime/log.ts";
import type { RenewalFile } from "./disk/renewal-file.ts";
import type { HostClock } from "./host-clock.ts";
import type { LeaseTable } from "./lease/lease-table.ts";

interface TermsParts {
  readonly table: LeaseTable;
  readonly clock: HostClock;
  readonly logger: Logger;
  readonly termMs: number;
  readonly renewals: RenewalFile;
  /** Called when it is sent. */
  readonly send: (make: () => RenewTerms) => boolean;
}

/** Renewals that may be on their way; an answer to an older one renews nothing. */
const pendingMax = 16;

interface Pending {
  readonly sequence: number;
  readonly sentAtMs: number;
  readonly leaseIds: ReadonlySet<string>;
}

/** The terms of this agent's leases: each counts from the sending of the renewal that the controller acknowledged last. */
export class Terms {
  readonly #parts: TermsParts;
  #sequence = 0;
  #pending: Pending[] = [];
  #termMs: number;
  #acknowledgedAtMs = -Infinity;

  constructor(parts: TermsParts) {
    this.#parts = parts;
    this.#termMs = parts.termMs;
  }

  get termMs(): number {
    return this.#termMs;
  }

  /** When the last message left that the controller has answered; its knowledge of us is at least this fresh. */
  get acknowledgedAtMs(): number {
    return this.#acknowledgedAtMs;
  }

  welcomed(termMs: number, helloSentAtMs: number): void {
    this.#termMs = termMs;
    this.#pending = [];
    this.#acknowledgedAtMs = helloSentAtMs;
  }

  /** Asks for new terms of all live leases. */
  renew(): void {
    const { table, clock, send } = this.#parts;
    const live = table.all().filter((runner) => isLive(runner.state));
    const leases = live.map((runner) => {
      const { checkpointAgeMs, workedMs } = runner.pulse();
      return { leaseId: runner.record.leaseId, checkpointAgeMs: checkpointAgeMs ?? undefined, workedMs };
    });
    const sequence = ++this.#sequence;
    // Counted from before it waits in any queue: never later than it is really sent.
    const sentAtMs = clock.nowMs();
    if (!send(() => ({ sequence, leases }))) return;
    const leaseIds = new Set(leases.map(({ leaseId }) => leaseId));
    this.#pending = [...this.#pending, { sequence, sentAtMs, leaseIds }].slice(-pendingMax);
    for (const runner of live) if (runner.state === "running") void runner.scanCheckpoints();
  }

  renewed({ sequence, leaseIds }: TermsRenewed): void {
    const { table, logger, clock, renewals } = this.#parts;
    const asked = this.#pending.find((pending) => pending.sequence === sequence);
    if (asked === undefined) return;
    this.#pending = this.#pending.filter((pending) => pending.sequence > sequence);
    const { sentAtMs } = asked;
    this.#acknowledgedAtMs = Math.max(this.#acknowledgedAtMs, sentAtMs);
    const granted = new Set(leaseIds);
    const endsAtMs = sentAtMs + this.#termMs;
    if (granted.size > 0) renewals.write({ version: 1, bootId: clock.bootId, sentAtMs, endsAtMs, leaseIds });
    for (const leaseId of asked.leaseIds) {
      const runner = table.get(leaseId);
      if (runner === undefined || !isLive(runner.state)) continue;
      if (granted.has(leaseId)) {
        runner.dispatch({ type: "renewed", sentAtMs, endsAtMs });
        continue;
      }
      logger.error({ lease: leaseId }, "the controller does not know this lease: it is vacated");
      const cause = { mover: "controller", sinceMs: null, recallId: "", detail: "not in the books" } as const;
      runner.dispatch({ type: "vacate", noticeMs: runner.record.noticeMs, cause });
    }
  }
}
