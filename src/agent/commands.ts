import {
  type CommandOutcome,
  commandOutcomes,
  grantFromProto,
  tokenFromProto,
} from "../api/convert/lease.ts";
import { specFromProto } from "../api/convert/guest.ts";
import type { Cause } from "../core/ladder-state.ts";
import { resumeObstacle } from "../core/ladder.ts";
import { isLive } from "../core/lease.ts";
import { standingDemand } from "../core/owner-demand.ts";
import type { Rung } from "../core/policy.ts";
import { asGleanerError } from "../errors/gleaner-error.ts";
import type {
  CommandHeader,
  CommandResult,
  OwnerDemand,
  ResumeCommand,
  StartCommand,
  WithdrawCommand,
} from "../gen/gleaner/v1/agents.ts";
import { GuestSpec } from "../gen/gleaner/v1/guests.ts";
import type { Logger } from "../runtime/log.ts";
import type { Fence } from "./disk/fence.ts";
import type { HostClock } from "./host-clock.ts";
import type { LeaseRunner } from "./lease/lease-runner.ts";
import type { LeaseTable } from "./lease/lease-table.ts";
import type { CommandAnswer, Starter, StartOrder } from "./lease/starter.ts";
import type { ControllerMessage } from "./link/controller-link.ts";
import type { Terms } from "./terms.ts";

interface CommandsParts {
  readonly table: LeaseTable;
  readonly starter: Starter;
  readonly terms: Terms;
  readonly fence: Fence;
  readonly clock: HostClock;
  readonly logger: Logger;
}

/** To whoever gave the command. */
type Answer = (result: CommandResult) => void;

export type Revoking = Extract<ControllerMessage, { $case: "pause" | "vacate" | "kill" }>;

const done: CommandAnswer = { outcome: "done", detail: "" };

/**
 * What the controller orders. Lending (start, resume) needs the newest leader and an owner who is away; revoking (pause,
 * vacate, kill) is taken from anybody who names a lease that lives here, since it only climbs.
 */
export class Commands {
  readonly #parts: CommandsParts;

  constructor(parts: CommandsParts) {
    this.#parts = parts;
  }

  async start(command: StartCommand, tell: Answer): Promise<void> {
    const header = headerOf(command);
    const { starter, logger } = this.#parts;
    let answer: CommandAnswer;
    try {
      answer = await starter.start(this.#orderOf(header, command));
    } catch (thrown) {
      const error = asGleanerError(thrown);
      answer = { outcome: "failed", detail: `${error.code}: ${error.message}` };
    }
    const { outcome, detail } = answer;
    const said = outcome === "done" ? "started a guest" : `did not start a guest: ${outcome}`;
    logger.info({ lease: header.leaseId, reason: detail }, said);
    say(tell, header, answer);
  }

  resume(command: ResumeCommand, tell: Answer): void {
    const { fence, clock } = this.#parts;
    this.#withLease(headerOf(command), tell, (runner, header) => {
      if (header.epoch < fence.epoch)
        return { outcome: "stale", detail: `epoch ${header.epoch} is older than ${fence.epoch}` };
      const obstacle = resumeObstacle(runner.record.ladder, clock.nowMs());
      if (obstacle !== null) return { outcome: "owner_first", detail: obstacle };
      runner.dispatch({ type: "resume" });
      return done;
    });
  }

  withdraw(command: WithdrawCommand, tell: Answer): void {
    this.#withLease(headerOf(command), tell, (runner) => {
      runner.dispatch({ type: "withdrawn", recallId: command.recallId });
      return done;
    });
  }

  /** The guest first: nothing is asked before the ladder has heard of it. */
  revoke(message: Revoking, tell: Answer): void {
    this.#withLease(headerOf(message.value), tell, (runner) => {
      if (message.value.demand !== undefined && message.value.demand.deadlineMs > 0)
        this.#recalled(runner, message.value.demand, rungOf[message.$case]);
      this.#carryOut(runner, message);
      return done;
    });
  }

  #orderOf(header: CommandHeader, command: StartCommand): StartOrder {
    const { terms } = this.#parts;
    return {
      leaseId: header.leaseId,
      token: tokenFromProto(header.token),
      epoch: header.epoch,
      guestId: command.guestId,
      attempt: command.attempt,
      spec: specFromProto(command.spec ?? GuestSpec.create()),
      grants: command.grants.map(grantFromProto),
      checkpointIntervalMs: command.checkpointIntervalMs,
      noticeMs: command.noticeMs,
      termSentAtMs: terms.acknowledgedAtMs,
      termMs: terms.termMs,
    };
  }

  #carryOut(runner: LeaseRunner, message: Revoking): void {
    const { demand } = message.value;
    const nowMs = this.#parts.clock.nowMs();
    switch (message.$case) {
      case "pause":
        if (demand === undefined || demand.deadlineMs === 0) this.#pause(runner, demand, nowMs);
        return;
      case "vacate": {
        const { noticeMs, reason, early } = message.value;
        // To leave it would be thawed, in front of the owner.
        if (early && standingDemand(runner.record.ladder.demands, nowMs) !== null) return;
        runner.dispatch({ type: "vacate", noticeMs, cause: causeOf(demand, reason, nowMs) });
        return;
      }
      case "kill":
        runner.dispatch({ type: "kill", cause: causeOf(demand, message.value.reason, nowMs) });
    }
  }

  /** A Busy hint stands by itself where it says for how long; otherwise the controller's next resume ends it. */
  #pause(runner: LeaseRunner, demand: OwnerDemand | undefined, nowMs: number): void {
    const ttlMs = demand?.hintTtlMs ?? 0;
    if (ttlMs > 0) runner.dispatch({ type: "hint", endsAtMs: nowMs + ttlMs });
    else {
      const detail = demand === undefined ? "the controller asked for it" : "the owner announced work";
      runner.dispatch({ type: "pause", cause: causeOf(demand, detail, nowMs) });
    }
  }

  #recalled(runner: LeaseRunner, { recallId, deadlineMs }: OwnerDemand, firstRung: Rung): void {
    const arrivedAtMs = this.#parts.clock.nowMs();
    const recall = { recallId, arrivedAtMs, deadlineAtMs: arrivedAtMs + deadlineMs, firstRung };
    runner.dispatch({ type: "recalled", recall });
  }

  #withLease(
    header: CommandHeader,
    tell: Answer,
    work: (runner: LeaseRunner, header: CommandHeader) => CommandAnswer,
  ): void {
    const runner = this.#parts.table.get(header.leaseId);
    const answer: CommandAnswer =
      runner === undefined
        ? { outcome: "unknown_lease", detail: "it does not live here" }
        : orDone(runner, () => work(runner, header));
    say(tell, header, answer);
  }

  /** Lending by whoever is not the newest leader. */
  refuse(command: StartCommand | ResumeCommand, tell: Answer): void {
    const detail = "another controller leads, as far as this agent has heard";
    say(tell, headerOf(command), { outcome: "stale", detail });
  }
}

function say(tell: Answer, { commandId }: CommandHeader, { outcome, detail }: CommandAnswer): void {
  tell({ commandId, outcome: commandOutcomes.toWire(outcome), detail });
}

const rungOf: Readonly<Record<Revoking["$case"], Rung>> = { pause: "pause", vacate: "vacate", kill: "kill" };

/** A lease that has ended cannot be moved, and need not be. */
function orDone(runner: LeaseRunner, work: () => CommandAnswer): CommandAnswer {
  const outcome: CommandOutcome = "done";
  return isLive(runner.state) ? work() : { outcome, detail: `the lease is ${runner.state}` };
}

function causeOf(demand: OwnerDemand | undefined, detail: string, nowMs: number): Cause {
  return demand === undefined
    ? { mover: "controller", sinceMs: null, recallId: "", detail }
    : { mover: "owner", sinceMs: nowMs, recallId: demand.recallId, detail };
}

const noHeader: CommandHeader = { commandId: 0, epoch: 0, leaseId: "", token: undefined };

function headerOf({ header }: { readonly header: CommandHeader | undefined }): CommandHeader {
  return header ?? noHeader;
}
