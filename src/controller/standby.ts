import { leaseStepFromProto } from "../api/convert/lease.ts";
import { localRecallFromProto } from "../api/convert/recall.ts";
import { deviceFromProto, sampleFromProto } from "../api/convert/sample.ts";
import type { AgentDesk } from "../api/ports.ts";
import type { Desks } from "../api/server.ts";
import type { Settings } from "../config/settings.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { ConnectRequest, ConnectResponse, Hello, Samples } from "../gen/gleaner/v1/agents.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { AgentSession } from "./agent-session.ts";
import { agentStream, type Said } from "./agent-stream.ts";
import type { StandbyFleet } from "./standby-fleet.ts";
import type { StandbyRecalls } from "./standby-recalls.ts";

interface StandbyParts {
  readonly fleet: StandbyFleet;
  readonly recalls: StandbyRecalls;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly settings: Settings;
}

/** Takes agents in while another controller leads, or none: it hears all that they say and tells them only to take back. */
export class Standby implements AgentDesk {
  readonly #parts: StandbyParts;
  /** Where the leader is, as far as Redis has said; empty: not known. */
  leaderAddress = "";
  #hasLeft = false;

  constructor(parts: StandbyParts) {
    this.#parts = parts;
  }

  /** Recall is served, everything else is for the leader: NOT_LEADER says where it is. */
  get desks(): Desks {
    const { recalls } = this.#parts;
    const refuse = () => {
      const leader = this.leaderAddress;
      throw new GleanerError("NOT_LEADER", { leader, elsewhere: leader && `; ${leader} leads` });
    };
    const served = new Map<unknown, unknown>([["recall", recalls.recall.bind(recalls)]]);
    const refusing = new Proxy({}, { get: (_, name) => served.get(name) ?? refuse });
    const { guests, owners, reports } = { guests: refusing, owners: refusing, reports: refusing } as Desks;
    return { guests, owners, reports, agents: this };
  }

  connect(incoming: AsyncIterable<ConnectRequest>, signal: AbortSignal): AsyncIterable<ConnectResponse> {
    const { fleet, log, metrics, settings } = this.#parts;
    return agentStream(incoming, signal, {
      zone: settings.zone,
      log,
      welcome: (hello) => this.#welcome(hello),
      hear: (session, said) => this.#hear(session, said),
      left: (session) => {
        if (fleet.left(session) && !this.#hasLeft) metrics.agentsConnected.set(fleet.agents.size);
      },
    });
  }

  /** This controller leads from now on: the agents begin anew with it. */
  leave(): void {
    this.#hasLeft = true;
    for (const session of this.#parts.fleet.agents.values())
      session.outgoing.fail(new GleanerError("LEAD_TAKEN"));
  }

  #welcome(hello: Hello): AgentSession {
    // Its stream was opened before we led, and its Hello came after.
    if (this.#hasLeft) throw new GleanerError("LEAD_TAKEN");
    const { fleet, settings, clock, log, metrics } = this.#parts;
    const { host, agentId } = hello;
    const session = new AgentSession({ host, agentId, reign: { epoch: 0 } });
    const nowMs = clock.monotonicMs();
    fleet.joined(
      session,
      hello.devices.map((device) => deviceFromProto(device, host)),
      hello.leases.map((report) => leaseStepFromProto(report, nowMs)),
    );
    metrics.agentsConnected.set(fleet.agents.size);
    session.send({
      $case: "welcome",
      value: {
        epoch: 0,
        generation: 0,
        nonce: "",
        standby: true,
        termMs: settings.terms.termMs,
        renewIntervalMs: settings.terms.renewIntervalMs,
        sampleIntervalMs: settings.telemetry.sampleIntervalMs,
        pools: [],
      },
    });
    for (const report of hello.recalls) this.#parts.recalls.reported(localRecallFromProto(report, nowMs));
    this.#parts.recalls.joined(host);
    log.info({ agent: agentId, host, devices: hello.devices.length }, `agent of ${host} heard on standby`);
    return session;
  }

  #hear(session: AgentSession, said: Said): void {
    const { fleet, recalls, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    switch (said.$case) {
      case "samples":
        this.#samples(session, said.value);
        break;
      case "leaseReport":
        fleet.stepped(leaseStepFromProto(said.value, nowMs));
        break;
      case "recallReport":
        recalls.reported(localRecallFromProto(said.value, nowMs));
        break;
      default:
        // What is for the leader.
        break;
    }
  }

  #samples(session: AgentSession, { samples }: Samples): void {
    const { fleet, clock, log } = this.#parts;
    for (const message of samples)
      try {
        fleet.take(session, sampleFromProto(message, clock.monotonicMs()));
      } catch (thrown) {
        log.warn({ err: thrown, agent: session.agentId, device: message.device }, "a sample was left out");
      }
  }
}
