import { leaseStepToProto, type LeaseStep } from "../api/convert/lease.ts";
import { agentPolicyFromProto } from "../api/convert/policy.ts";
import {
  type LocalRecallStep,
  localRecallToProto,
  ownerRecallFromProto,
  recallStages,
} from "../api/convert/recall.ts";
import { sampleToProto } from "../api/convert/sample.ts";
import type { Settings } from "../config/settings.ts";
import type { DeviceUuid, Sample } from "../core/device.ts";
import { isLive } from "../core/lease.ts";
import type {
  CommandResult,
  ConnectRequest,
  Hello,
  OwnerRecall,
  PoolSettings,
  Welcome,
} from "../gen/gleaner/v1/agents.ts";
import { every } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Commands, Revoking } from "./commands.ts";
import type { Fence } from "./disk/fence.ts";
import type { EndedAttempts } from "./ended-attempts.ts";
import { helloNow, type Introduced } from "./hello.ts";
import type { KeptCheckpoints } from "./kept-checkpoints.ts";
import { ControllerLink, type ControllerMessage, type LinkUser } from "./link/controller-link.ts";
import type { Machine } from "./machine.ts";
import type { LogReader } from "./log/log-reader.ts";
import type { Pools } from "./pools.ts";
import type { AgentRecallDesk } from "./recall/recall-desk.ts";
import type { Terms } from "./terms.ts";

export interface ConversationParts extends Introduced {
  readonly addresses: readonly string[];
  readonly settings: Settings;
  readonly logger: Logger;
  readonly machine: Machine;
  readonly ended: EndedAttempts;
  readonly kept: KeptCheckpoints;
  readonly pools: Pools;
  readonly desk: AgentRecallDesk;
  readonly terms: Terms;
  readonly commands: Commands;
  readonly logReader: LogReader;
}

type Body = NonNullable<ConnectRequest["body"]>;
type Lending = Extract<ControllerMessage, { $case: "start" | "resume" }>;

/** Unacknowledged reports that are repeated at once; the others follow. */
const repeatsMax = 500;

/**
 * What this agent and its controllers say to each other, from Hello to the end of each stream. One stream to each of them:
 * all hear what happens here and may take back; terms and guests come from the newest leader only.
 */
export class Conversation implements LinkUser {
  readonly #parts: ConversationParts;
  readonly #links: readonly ControllerLink[];
  /** null: no stream leads to the newest leader. */
  #leader: ControllerLink | null = null;
  /** Of which leader each controller was told in Hello. */
  readonly #told = new Map<ControllerLink, Fence["newestLeader"]>();
  /** The newest of each device. */
  readonly #latest = new Map<DeviceUuid, Sample>();
  #recallAddress = "";
  #stopRenewing = () => {};
  #renewIntervalMs: number;

  constructor(parts: ConversationParts) {
    this.#parts = parts;
    const { addresses, logger, machine } = parts;
    const { agent: settings, terms } = parts.settings;
    this.#renewIntervalMs = terms.renewIntervalMs;
    this.#links = addresses.map(
      (address) => new ControllerLink({ address, user: this, settings, logger, machine }),
    );
  }

  get #clock() {
    return this.#parts.machine.clock;
  }

  async run(recallAddress: string, signal: AbortSignal): Promise<void> {
    this.#recallAddress = recallAddress;
    await Promise.all(this.#links.map((link) => link.run(signal)));
  }

  /** To the leader; made when it is sent. False where it does not take it now. */
  send(make: () => Body): boolean {
    return this.#leader?.send(() => ({ body: make() })) ?? false;
  }

  #sendAll(make: () => Body): void {
    for (const link of this.#links) link.send(() => ({ body: make() }));
  }

  sendStep(step: LeaseStep): void {
    this.#sendAll(() => ({ $case: "leaseReport", value: leaseStepToProto(step, this.#clock.nowMs()) }));
  }

  sendRecallStep(step: LocalRecallStep): void {
    this.#sendAll(() => ({ $case: "recallReport", value: localRecallToProto(step, this.#clock.nowMs()) }));
  }

  sendSamples(batch: readonly Sample[]): void {
    for (const sample of batch) this.#latest.set(sample.device, sample);
    for (const link of this.#links) this.#pushSamples(link, batch);
  }

  #pushSamples(link: ControllerLink, batch: readonly Sample[]): void {
    link.sendSamples(() => {
      const nowMs = this.#clock.monotonicMs();
      return {
        body: { $case: "samples", value: { samples: batch.map((sample) => sampleToProto(sample, nowMs)) } },
      };
    });
  }

  /** Devices have appeared: the controllers learn of them by a new Hello. */
  devicesGrew(): void {
    for (const link of this.#links) if (link.isConnected) link.restart("devices have appeared");
  }

  /** One for each controller. */
  get streams(): readonly object[] {
    return this.#links.map((link) => ({
      address: link.address,
      connected: link.isConnected,
      leads: link === this.#leader,
      waiting: link.waiting,
    }));
  }

  /** To the leader. */
  get isConnected(): boolean {
    return this.#leader !== null;
  }

  hello(link: ControllerLink): Hello {
    this.#told.set(link, this.#parts.fence.newestLeader);
    return helloNow(this.#parts, this.#recallAddress, this.#clock.nowMs());
  }

  welcomed(link: ControllerLink, welcome: Welcome, helloSentAtMs: number): void {
    // What is known already, so that a new controller need not wait for the next reading.
    if (this.#latest.size > 0) this.#pushSamples(link, [...this.#latest.values()]);
    if (!welcome.standby && this.#admits(link, welcome)) this.#led(link, welcome, helloSentAtMs);
  }

  #admits(link: ControllerLink, { epoch, generation, nonce }: Welcome): boolean {
    const { fence, logger } = this.#parts;
    const isAdmitted = fence.admitLeader({ generation, epoch, nonce });
    if (isAdmitted) {
      fence.save().catch((err: unknown) => logger.error({ err }, "the leader's epoch could not be kept"));
      return true;
    }
    logger.error(
      { epoch, known: fence.epoch },
      "this controller is not the newest leader heard of: it may only take back",
    );
    // One that did not know of the newer one is told, and then steps down or leads above it.
    if (this.#told.get(link) !== fence.newestLeader) link.restart("it has to hear of a newer leader");
    return false;
  }

  #led(link: ControllerLink, welcome: Welcome, helloSentAtMs: number): void {
    const { terms, kept } = this.#parts;
    this.#leave();
    this.#leader = link;
    for (const settings of welcome.pools) this.#pool(settings);
    terms.welcomed(welcome.termMs, helloSentAtMs);
    kept.askSoon();
    this.#repeat(Infinity);
    this.#renewIntervalMs = welcome.renewIntervalMs;
    this.#stopRenewing = every(this.#clock, this.#renewIntervalMs, () => this.#renew());
    this.#renew();
  }

  received(link: ControllerLink, message: ControllerMessage): void {
    const tell = (value: CommandResult) =>
      void link.send(() => ({ body: { $case: "commandResult", value } }));
    const { commands } = this.#parts;
    switch (message.$case) {
      case "pause":
      case "vacate":
      case "kill":
        commands.revoke(message, tell);
        break;
      case "ownerRecall":
        this.#recalled(message.value);
        break;
      case "start":
      case "resume":
        if (link !== this.#leader) commands.refuse(message.value, tell);
        else this.#lent(message, tell);
        break;
      default:
        if (link === this.#leader) this.#heard(message, tell);
    }
  }

  /** The desk hears of it before anything is awaited. */
  #recalled(message: OwnerRecall): void {
    const { desk, logger } = this.#parts;
    try {
      desk.take(message.recallId, ownerRecallFromProto(message), message.elapsedMs);
    } catch (err) {
      logger.error({ err, recall: message.recallId }, "a recall that a controller passed on was not taken");
    }
  }

  #lent(message: Lending, tell: (result: CommandResult) => void): void {
    const { commands, logger } = this.#parts;
    if (message.$case === "resume") commands.resume(message.value, tell);
    else
      commands
        .start(message.value, tell)
        .catch((err: unknown) => logger.error({ err }, "a start was not answered"));
  }

  /** What only the leader may say. */
  #heard(
    message: Exclude<ControllerMessage, Revoking | Lending | { $case: "ownerRecall" }>,
    tell: (result: CommandResult) => void,
  ): void {
    const { commands, logReader, terms, book, kept } = this.#parts;
    switch (message.$case) {
      case "withdraw":
        commands.withdraw(message.value, tell);
        break;
      case "leaseReportAck":
        this.#acknowledged(message.value.leaseId, message.value.step);
        break;
      case "recallReportAck": {
        const { recallId, device, stage } = message.value;
        book.acknowledge(recallId, device, recallStages.fromWire(stage, "recall_report_ack.stage"));
        break;
      }
      case "termsRenewed":
        terms.renewed(message.value);
        break;
      case "endedGuests":
        kept.answered(message.value);
        break;
      case "readLog":
        logReader.take(message.value);
        break;
      case "poolSettings":
        this.#pool(message.value);
        break;
    }
  }

  lost(link: ControllerLink): void {
    if (link !== this.#leader) return;
    this.#leave();
  }

  #leave(): void {
    this.#leader = null;
    this.#stopRenewing();
    this.#parts.logReader.cancelAll();
  }

  #renew(): void {
    const { terms, settings } = this.#parts;
    const silentMs = this.#clock.nowMs() - terms.acknowledgedAtMs;
    // Half a term is left to find a controller that answers.
    if (silentMs > Math.max(terms.termMs / 2, this.#renewIntervalMs + settings.terms.driftMs)) {
      this.#leader?.restart("the controller acknowledges no renewal");
      return;
    }
    terms.renew();
    this.#repeat(this.#clock.nowMs() - 2 * this.#renewIntervalMs);
  }

  /** What was reported before and is not acknowledged is said again; each is applied once over there. */
  #repeat(beforeMs: number): void {
    const { table, book } = this.#parts;
    const steps = table.all().flatMap((runner) => runner.record.unacknowledged);
    for (const step of steps.filter(({ atMs }) => atMs < beforeMs).slice(0, repeatsMax)) this.sendStep(step);
    const recalls = book.unacknowledged().filter(({ atMs }) => atMs < beforeMs);
    for (const step of recalls.slice(0, repeatsMax)) this.sendRecallStep(step);
  }

  #acknowledged(leaseId: string, step: number): void {
    const { table, ended, kept } = this.#parts;
    const runner = table.get(leaseId);
    if (runner?.acknowledge(step) !== true) return;
    table.remove(runner);
    ended.add(runner.record);
    kept.attemptEnded(runner.record.guestId);
  }

  #pool(settings: PoolSettings): void {
    const { pools, table, devices, logger } = this.#parts;
    try {
      pools.tell(agentPolicyFromProto(settings));
    } catch (err) {
      logger.error({ err, pool: settings.pool }, "a pool's settings were left out");
      return;
    }
    for (const runner of table.all()) {
      const { devices: uuids, noticeMs } = runner.record;
      if (!isLive(runner.state) || !uuids.some((uuid) => devices.get(uuid)?.pool === settings.pool)) continue;
      runner.dispatch({ type: "rules", rules: pools.rulesFor(uuids, noticeMs) });
    }
  }
}
