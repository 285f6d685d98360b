import { commandOutcomes, type LeaseStep } from "../api/convert/lease.ts";
import { compareTokens, isLive, type Lease } from "../core/lease.ts";
import type { CommandResult, RenewTerms } from "../gen/gleaner/v1/agents.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { AgentSession } from "./agent-session.ts";
import type { Fleet, LiveLease } from "./fleet.ts";
import type { LeaseOrders } from "./lease-orders.ts";
import type { LeaseSteps } from "./lease-steps.ts";
import { lostStep } from "./lost-step.ts";
import type { Reign } from "./reign.ts";
import type { StandbyFleet } from "./standby-fleet.ts";

export interface AgentLeasesParts {
  readonly fleet: Fleet;
  readonly steps: LeaseSteps;
  readonly orders: LeaseOrders;
  readonly reign: Reign;
  readonly warm: Pick<StandbyFleet, "stepped">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly wake: () => void;
}

/** An owner who is still there, as the agent sees it: asked again after so long, at first and at most. */
const resumeAgainMsMin = 2_000;
const resumeAgainMsMax = 60_000;

/** After a start that a host could not carry out, its device is left alone for so long. */
const hostFailedRestMs = 10_000;

/** What agents say of the leases on their hosts: what runs at Hello, each step, terms to be renewed, commands that failed. */
export class AgentLeases {
  readonly #parts: AgentLeasesParts;

  constructor(parts: AgentLeasesParts) {
    this.#parts = parts;
  }

  /**
   * Brings the books and the host together. What runs and is in the books is adopted; what runs and is not, is killed; what
   * is in the books and does not run, is lost and its guest put back.
   */
  reconcile(session: AgentSession, reports: readonly LeaseStep[]): void {
    const { fleet, log, reign } = this.#parts;
    const reported = new Set<string>();
    for (const report of reports) {
      const live = fleet.leases.get(report.leaseId);
      // Under an older token it is another lease: the name was given again after Redis came back older.
      const known = live !== undefined && compareTokens(live.lease.token, report.token) === 0;
      if (known) reported.add(report.leaseId);
      if (known || !isLive(report.state)) {
        this.report(session, report);
        if (live !== undefined) this.#parts.orders.repeat(live);
        continue;
      }
      log.warn(
        { lease: report.leaseId, host: session.host },
        "a guest runs that is not in the books: killed",
      );
      const lease = { id: report.leaseId, token: report.token };
      session.command("kill", lease, { demand: undefined, reason: "not in the books" });
    }
    for (const { lease } of fleet.leasesOnHost(session.host)) {
      if (reported.has(lease.id)) continue;
      // The leader of then may have it started yet: its agent listens to that one until it has heard our Welcome.
      if (lease.epoch !== reign.epoch && lease.state === "starting") session.unproven.push(lease);
      else this.#missing(lease);
    }
  }

  /** The agent has heard our Welcome by now: what it does not name it will never start. */
  #proveMissing(session: AgentSession, leases: RenewTerms["leases"]): void {
    for (const { id } of session.unproven.splice(0)) {
      const live = this.#parts.fleet.leases.get(id);
      if (live?.lease.step === 0 && leases.every(({ leaseId }) => leaseId !== id)) this.#missing(live.lease);
    }
  }

  #missing(lease: Lease): void {
    const { steps, log, clock } = this.#parts;
    if (isLive(lease.state))
      log.warn(
        { lease: lease.id, host: lease.host },
        "a lease of the books does not run on its host: its guest is put back",
      );
    steps.take(lostStep(lease, clock.monotonicMs(), "its agent does not know it"));
  }

  report(session: AgentSession, report: LeaseStep): void {
    const acknowledge = () =>
      session.send({ $case: "leaseReportAck", value: { leaseId: report.leaseId, step: report.step } });
    this.#parts.warm.stepped(report);
    this.#parts.steps.take(report, acknowledge);
  }

  commandResult(session: AgentSession, result: CommandResult): void {
    const answered = session.takeAnswered(result.commandId);
    const leaseId = answered?.leaseId;
    const outcome = commandOutcomes.fromWire(result.outcome, "command_result.outcome");
    if (outcome === "done") return;
    const { fleet, log, steps, clock } = this.#parts;
    log.info(
      { agent: session.agentId, lease: leaseId, outcome, detail: result.detail },
      `a command was not carried out: ${outcome}`,
    );
    const live = leaseId === undefined ? undefined : fleet.leases.get(leaseId);
    if (live === undefined) return;
    if (answered?.name === "resume") {
      refuseResume(live, clock.monotonicMs());
      return;
    }
    if (live.lease.step > 0) return;
    // Nothing ran: a failed start is the guest's failure, anything else counts against nobody.
    const end = { exitCode: null, exitSignal: "", checkpointAgeMs: null, workedMs: 0, vacateMs: null };
    const step = lostStep(
      live.lease,
      clock.monotonicMs(),
      `start refused: ${outcome} ${result.detail}`.trim(),
    );
    steps.take(step, undefined, {
      ...end,
      outcome: outcome === "failed" ? "failed" : "checkpointed",
      usefulMs: 0,
      lostMs: 0,
    });
    if (outcome === "host_failed") this.#rest(live.lease.grants.map(({ device }) => device));
    this.#parts.wake();
  }

  /** What its host could not do now it could not do at once again. */
  #rest(uuids: readonly string[]): void {
    const { fleet, clock, log } = this.#parts;
    for (const uuid of uuids) {
      const device = fleet.devices.get(uuid);
      if (device === undefined) continue;
      device.restUntilMs = Math.max(device.restUntilMs, clock.monotonicMs() + hostFailedRestMs);
      log.warn(
        { device: uuid, restMs: hostFailedRestMs },
        "nothing is lent there for a while: its host could not start a guest",
      );
    }
  }

  renew(session: AgentSession, { sequence, leases }: RenewTerms): void {
    const { fleet, clock, reign } = this.#parts;
    // Whoever leads next counts on it.
    if (!reign.isHeld()) return;
    this.#proveMissing(session, leases);
    const renewed: string[] = [];
    for (const { leaseId, checkpointAgeMs, workedMs } of leases) {
      const live = fleet.leases.get(leaseId);
      if (live === undefined) continue;
      live.checkpointAgeMs = checkpointAgeMs ?? null;
      live.workedMs = workedMs;
      if (live.disowned) continue;
      live.renewedAtMs = clock.monotonicMs();
      renewed.push(leaseId);
    }
    session.send({ $case: "termsRenewed", value: { sequence, leaseIds: renewed } });
  }
}

function refuseResume({ resume }: LiveLease, nowMs: number): void {
  if (resume === null) return;
  resume.againAtMs =
    nowMs + Math.min(resumeAgainMsMax, resumeAgainMsMin * 2 ** Math.min(resume.refusals, 10));
  resume.refusals += 1;
}
