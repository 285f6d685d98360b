import { compareTokens, type FencingToken } from "../core/lease.ts";
import type { AgentDesk } from "../api/ports.ts";
import { leaseStepFromProto, tokenFromProto } from "../api/convert/lease.ts";
import { localRecallFromProto } from "../api/convert/recall.ts";
import { deviceFromProto, sampleFromProto } from "../api/convert/sample.ts";
import { agentPolicyToProto } from "../api/convert/policy.ts";
import type { Settings } from "../config/settings.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type {
  ConnectRequest,
  ConnectResponse,
  EndedGuest,
  Hello,
  RecallReport,
  Samples,
} from "../gen/gleaner/v1/agents.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Sample } from "../core/device.ts";
import { AgentLeases, type AgentLeasesParts } from "./agent-leases.ts";
import { AgentSession } from "./agent-session.ts";
import { agentStream, type Said } from "./agent-stream.ts";
import type { LogReads } from "./log-reads.ts";
import type { MemoryProofs } from "./memory-proofs.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { OwnerWatch } from "./owner-watch.ts";
import type { Quarantines } from "./quarantine.ts";
import type { StandbyFleet } from "./standby-fleet.ts";
import type { StandbyRecalls } from "./standby-recalls.ts";

interface AgentsParts extends AgentLeasesParts {
  readonly owners: OwnerWatch;
  readonly signals: OwnerSignals;
  readonly quarantines: Quarantines;
  readonly memory: MemoryProofs;
  readonly logs: LogReads;
  readonly settings: Settings;
  readonly metrics: Metrics;
  /** By which it takes back while its lock is not sure. */
  readonly warm: Pick<StandbyFleet, "joined" | "stepped" | "left">;
  /** Recalls that this controller took before it led, or while its lock was not sure. */
  readonly passedOn: Pick<StandbyRecalls, "joined" | "reported">;
  /** Of guests, those that will never run again. */
  readonly endedAmong: (guestIds: readonly string[]) => Promise<EndedGuest[]>;
  /** Redis came back older than an agent has seen it. */
  readonly onOlder: () => void;
}

/** Takes agents in: their devices, samples, steps and renewals. One stream an agent; a newer one replaces the older. */
export class Agents implements AgentDesk {
  readonly #parts: AgentsParts;
  readonly #leases: AgentLeases;

  constructor(parts: AgentsParts) {
    this.#parts = parts;
    this.#leases = new AgentLeases(parts);
  }

  connect(incoming: AsyncIterable<ConnectRequest>, signal: AbortSignal): AsyncIterable<ConnectResponse> {
    const { settings, log } = this.#parts;
    return agentStream(incoming, signal, {
      zone: settings.zone,
      log,
      welcome: (hello) => this.#welcome(hello),
      hear: (session, said) => this.#hear(session, said),
      left: (session) => this.#left(session),
    });
  }

  #left(session: AgentSession): void {
    const { fleet, log, logs, metrics, warm } = this.#parts;
    warm.left(session);
    if (fleet.agents.get(session.host) === session) {
      fleet.agents.delete(session.host);
      metrics.agentsConnected.set(fleet.agents.size);
      log.warn(
        { agent: session.agentId, host: session.host },
        "agent left: its devices are unknown, nothing new is lent there",
      );
    }
    logs.endAll(session);
  }

  #hear(session: AgentSession, said: Said): void {
    const { logs, clock } = this.#parts;
    switch (said.$case) {
      case "samples":
        this.#samples(session, said.value);
        break;
      case "leaseReport":
        this.#leases.report(session, leaseStepFromProto(said.value, clock.monotonicMs()));
        break;
      case "commandResult":
        this.#leases.commandResult(session, said.value);
        break;
      case "renewTerms":
        this.#leases.renew(session, said.value);
        break;
      case "logChunk":
        logs.take(session, said.value);
        break;
      case "recallReport":
        this.#recallReport(session, said.value);
        break;
      case "keptGuests":
        this.#keptGuests(session, said.value.guestIds);
        break;
    }
  }

  async #welcome(hello: Hello): Promise<AgentSession> {
    const { fleet, log, reign, settings, metrics, clock } = this.#parts;
    const refuse = (problem: string) =>
      new GleanerError("AGENT_REFUSED", { agentId: hello.agentId, problem });
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
    this.#leases.reconcile(session, leases);
    const recalls = hello.recalls.map((report) => localRecallFromProto(report, nowMs));
    for (const step of recalls) this.#parts.passedOn.reported(step);
    this.#parts.passedOn.joined(hello.host);
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
