import { compareTokens, isLive, type FencingToken, type Lease } from "../core/lease.ts";
import type { AgentDesk } from "../api/ports.ts";
import { commandOutcomes, leaseStepFromProto, tokenFromProto, type LeaseStep } from "../api/convert/lease.ts";
import { localRecallFromProto } from "../api/convert/recall.ts";
import { deviceFromProto, sampleFromProto } from "../api/convert/sample.ts";
import { agentPolicyToProto } from "../api/convert/policy.ts";
import type { Settings } from "../config/settings.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type {
  CommandResult,
  ConnectRequest,
  ConnectResponse,
  EndedGuest,
  Hello,
  RecallReport,
  RenewTerms,
  Samples,
} from "../gen/gleaner/v1/agents.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Sample } from "../core/device.ts";
import { AgentSession } from "./agent-session.ts";
import { lostStep } from "./lost-step.ts";
import type { Fleet, LiveLease } from "./fleet.ts";
import type { LeaseOrders } from "./lease-orders.ts";
import type { LeaseSteps } from "./lease-steps.ts";
import type { LogReads } from "./log-reads.ts";
import type { MemoryProofs } from "./memory-proofs.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { OwnerWatch } from "./owner-watch.ts";
import type { Quarantines } from "./quarantine.ts";
import type { Reign } from "./reign.ts";
import type { StandbyFleet } from "./standby-fleet.ts";
import type { StandbyRecalls } from "./standby-recalls.ts";

interface AgentsParts {
  readonly fleet: Fleet;
  readonly steps: LeaseSteps;
  readonly orders: LeaseOrders;
  readonly owners: OwnerWatch;
  readonly signals: OwnerSignals;
  readonly quarantines: Quarantines;
  readonly memory: MemoryProofs;
  readonly logs: LogReads;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly reign: Reign;
  /** By which it takes back while its lock is not sure. */
  readonly warm: Pick<StandbyFleet, "joined" | "stepped" | "left">;
  /** Recalls that this controller took before it led, or while its lock was not sure. */
  readonly passedOn: Pick<StandbyRecalls, "reported">;
  /** Of guests, those that will never run again. */
  readonly endedAmong: (guestIds: readonly string[]) => Promise<EndedGuest[]>;
  /** Redis came back older than an agent has seen it. */
  readonly onOlder: () => void;
  readonly wake: () => void;
}

/** An owner who is still there, as the agent sees it: asked again after so long, at first and at most. */
const resumeAgainMsMin = 2_000;
const resumeAgainMsMax = 60_000;

/** After a start that a host could not carry out, its device is left alone for so long. */
const hostFailedRestMs = 10_000;

/** Takes agents in: their devices, samples, steps and renewals. One stream an agent; a newer one replaces the older. */
export class Agents implements AgentDesk {
  readonly #parts: AgentsParts;

  constructor(parts: AgentsParts) {
    this.#parts = parts;
  }

  async *connect(
    incoming: AsyncIterable<ConnectRequest>,
    signal: AbortSignal,
  ): AsyncIterable<ConnectResponse> {
    const messages = incoming[Symbol.asyncIterator]();
    const first = await messages.next();
    if (first.done === true) return;
    if (first.value.body?.$case !== "hello")
      throw new GleanerError("AGENT_REFUSED", {
        agentId: "(unknown)",
        problem: "the first message must be Hello",
      });
    const session = await this.#welcome(first.value.body.value);
    const { fleet, log } = this.#parts;
    const reading = this.#read(session, messages).catch((thrown: unknown) => {
      log.warn({ err: thrown, agent: session.agentId }, "the agent's stream failed");
    });
    const leave = () => session.outgoing.close();
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    void reading.then(leave);
    try {
      yield* session.outgoing;
    } finally {
      signal.removeEventListener("abort", leave);
      this.#parts.warm.left(session);
      if (fleet.agents.get(session.host) === session) {
        fleet.agents.delete(session.host);
        this.#parts.metrics.agentsConnected.set(fleet.agents.size);
        log.warn(
          { agent: session.agentId, host: session.host },
          "agent left: its devices are unknown, nothing new is lent there",
        );
      }
      this.#parts.logs.endAll(session);
    }
  }

  async #read(session: AgentSession, messages: AsyncIterator<ConnectRequest>): Promise<void> {
    for (;;) {
      const { done, value } = await messages.next();
      if (done === true) return;
      const body = value.body;
      switch (body?.$case) {
        case "samples":
          this.#samples(session, body.value);
          break;
        case "leaseReport":
          this.#report(session, leaseStepFromProto(body.value, this.#parts.clock.monotonicMs()));
          break;
        case "commandResult":
          this.#commandResult(session, body.value);
          break;
        case "renewTerms":
          this.#renew(session, body.value);
          break;
        case "logChunk":
          this.#parts.logs.take(session, body.value);
          break;
        case "recallReport":
          this.#recallReport(session, body.value);
          break;
        case "keptGuests":
          this.#keptGuests(session, body.value.guestIds);
          break;
        case "hello":
        case undefined:
          this.#parts.log.warn(
            { agent: session.agentId },
            "the agent sent a message that has no place here; ignored",
          );
      }
    }
  }

  async #welcome(hello: Hello): Promise<AgentSession> {
    const { fleet, log, reign, settings, metrics, clock } = this.#parts;
    const refuse = (problem: string) =>
      new GleanerError("AGENT_REFUSED", { agentId: hello.agentId, problem });
    if (hello.host === "" || hello.agentId === "") throw refuse("host and agent_id must be given");
    if (hello.zone !== settings.zone)
      throw refuse(`it belongs to zone ${hello.zone}, this is zone ${settings.zone}`);
    for (const { uuid } of hello.devices) {
      const known = fleet.devices.get(uuid);
      if (known !== undefined && known.info.host !== hello.host && fleet.agents.has(known.info.host))
        throw refuse(`device ${uuid} is served by host ${known.info.host}`);
    }
    await this.#raiseGenerationAbove(hello);
    reign.lost.throwIfAborted();

    const session = new AgentSession({ host: hello.host, agentId: hello.agentId, reign });
    const older = fleet.agents.get(hello.host);
    fleet.agents.set(hello.host, session);
    older?.outgoing.close();
    metrics.agentsConnected.set(fleet.agents.size);
    const nowMs = clock.monotonicMs();
    const devices = hello.devices.map((description) => deviceFromProto(description, hello.host));
    const leases = hello.leases.map((report) => leaseStepFromProto(report, nowMs));
    for (const device of devices) this.#parts.owners.addDevice(device);
    this.#parts.warm.joined(session, devices, leases);

    for (const { uuid } of hello.devices) this.#parts.quarantines.adopt(uuid);

    const pools = [...new Set(hello.devices.map(({ pool }) => pool))];
    session.send({
      $case: "welcome",
      value: {
        epoch: reign.epoch,
        generation: reign.generation,
        nonce: reign.nonce,
        standby: false,
        termMs: settings.terms.termMs,
        renewIntervalMs: settings.terms.renewIntervalMs,
        sampleIntervalMs: settings.telemetry.sampleIntervalMs,
        pools: pools.map((pool) => agentPolicyToProto(this.#parts.signals.policyOf(pool))),
      },
    });
    this.#reconcile(session, leases);
    const recalls = hello.recalls.map((report) => localRecallFromProto(report, nowMs));
    for (const step of recalls) this.#parts.passedOn.reported(step);
    const recallsOver = this.#parts.owners.agentRecalls(hello.host, recalls);
    if (recallsOver > 0)
      log.warn(
        { host: hello.host, recalls: recallsOver },
        "recalls that the agent had taken are not known to it any more: they are over",
      );
    log.info(
      { agent: hello.agentId, host: hello.host, devices: hello.devices.length, leases: hello.leases.length },
      `agent of ${hello.host} connected: ${hello.devices.length} devices`,
    );
    this.#parts.wake();
    return session;
  }

  async #raiseGenerationAbove(hello: Hello): Promise<void> {
    const { reign, log } = this.#parts;
    const largest = hello.tokens
      .map(({ token }) => tokenFromProto(token))
      .reduce<FencingToken>((max, token) => (compareTokens(token, max) > 0 ? token : max), {
        generation: 0,
        number: 0,
      });
    const leader = hello.newestLeader ?? { generation: 0, epoch: 0, nonce: "" };
    if ((await reign.raiseAbove({ token: largest, leader })) === "newer_already") return;
    this.#parts.onOlder();
    log.error(
      { agent: hello.agentId, generation: reign.generation, epoch: reign.epoch },
      "Redis is older than what this agent has seen: a new generation begins",
    );
  }

  /**
   * Brings the books and the host together. What runs and is in the books is adopted; what runs and is not, is killed; what
   * is in the books and does not run, is lost and its guest put back.
   */
  #reconcile(session: AgentSession, reports: readonly LeaseStep[]): void {
    const { fleet, log, reign } = this.#parts;
    const reported = new Set<string>();
    for (const report of reports) {
      reported.add(report.leaseId);
      const live = fleet.leases.get(report.leaseId);
      const known = live !== undefined && compareTokens(live.lease.token, report.token) === 0;
      if (known || !isLive(report.state)) {
        this.#report(session, report);
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

  #report(session: AgentSession, report: LeaseStep): void {
    const acknowledge = () =>
      session.send({ $case: "leaseReportAck", value: { leaseId: report.leaseId, step: report.step } });
    this.#parts.warm.stepped(report);
    this.#parts.steps.take(report, acknowledge);
  }

  #samples(session: AgentSession, { samples }: Samples): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const message of samples) {
      const device = this.#parts.fleet.devices.get(message.device);
      if (device === undefined || device.info.host !== session.host) continue;
      let sample: Sample;
      try {
        sample = sampleFromProto(message, nowMs);
      } catch (thrown) {
        this.#parts.log.warn(
          { err: thrown, agent: session.agentId, device: message.device },
          "a sample was left out",
        );
        continue;
      }
      this.#parts.owners.take(device, sample, nowMs);
      this.#parts.memory.take(device, sample, nowMs);
    }
  }

  #commandResult(session: AgentSession, result: CommandResult): void {
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

  #renew(session: AgentSession, { sequence, leases }: RenewTerms): void {
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

  /** An answer that cannot be given is asked for again. */
  #keptGuests(session: AgentSession, guestIds: readonly string[]): void {
    const { endedAmong, log } = this.#parts;
    endedAmong(guestIds)
      .then((guests) => {
        if (guests.length > 0) session.send({ $case: "endedGuests", value: { guests } });
      })
      .catch((thrown: unknown) => {
        log.warn({ err: thrown, agent: session.agentId }, "the agent is not told which guests have ended");
      });
  }

  /** A recall that the agent took by itself: into the books, once for each device and stage. */
  #recallReport(session: AgentSession, report: RecallReport): void {
    const { owners, passedOn, clock } = this.#parts;
    const step = localRecallFromProto(report, clock.monotonicMs());
    owners.recalledByAgent(session.host, step);
    passedOn.reported(step);
    const { recallId, device, stage } = report;
    session.send({ $case: "recallReportAck", value: { recallId, device, stage } });
  }
}

function refuseResume({ resume }: LiveLease, nowMs: number): void {
  if (resume === null) return;
  resume.againAtMs =
    nowMs + Math.min(resumeAgainMsMax, resumeAgainMsMin * 2 ** Math.min(resume.refusals, 10));
  resume.refusals += 1;
}
