import { connectClients } from "../../src/api/client.ts";
import type {
  CommandHeader,
  ConnectRequest,
  ConnectResponse,
  Hello,
  EndedGuest,
  LeaseReport,
  RecallReport,
  StartCommand,
} from "../../src/gen/gleaner/v1/agents.ts";
import { Attribution, type CommandOutcome, LeaseState, Mover } from "../../src/gen/gleaner/v1/agents.ts";
import { Channel } from "../../src/runtime/channel.ts";

type Body = NonNullable<ConnectResponse["body"]>;

export interface PeerLease {
  readonly header: CommandHeader;
  readonly devices: readonly string[];
  step: number;
  state: LeaseState;
}

/**
 * The far end of an AgentService stream, for tests and benches of the controller: speaks the protocol over real gRPC and
 * does as it is told, but starts no process. The product's own agent is tested in `agent*.test.ts` and end to end.
 */
export class AgentPeer {
  readonly host: string;
  readonly devices: readonly string[];
  readonly leases = new Map<string, PeerLease>();
  readonly commands: Body[] = [];
  /** Resolves with what the controller ended the present stream with; undefined: with nothing. */
  ended: Promise<unknown> = Promise.resolve();
  /** What a guest does once it is started; default: it runs until told otherwise. */
  readonly #onStart: (peer: AgentPeer, lease: PeerLease, start: StartCommand) => void;
  readonly #pool: string;
  #outgoing = new Channel<ConnectRequest>(100_000);
  #abort = new AbortController();
  #close = () => {};
  #listeners = new Set<() => void>();
  #sequence = 1_000;

  constructor(options: {
    host: string;
    devices: readonly string[];
    pool?: string;
    onStart?: (peer: AgentPeer, lease: PeerLease, start: StartCommand) => void;
  }) {
    this.host = options.host;
    this.devices = options.devices;
    this.#pool = options.pool ?? "serving";
    this.#onStart = options.onStart ?? ((peer, lease) => peer.report(lease, LeaseState.RUNNING));
  }

  /** Resolves with Welcome. */
  async connect(
    address: string,
    hello: Partial<Pick<Hello, "leases" | "tokens" | "recalls" | "newestLeader">> = {},
  ): Promise<void> {
    const clients = connectClients(address);
    this.#close = () => clients.close();
    this.#outgoing = new Channel(100_000);
    this.#abort = new AbortController();
    this.#send({
      $case: "hello",
      value: {
        agentId: `agent-${this.host}`,
        host: this.host,
        zone: "default",
        version: "test",
        recallAddress: "",
        devices: this.devices.map((uuid, index) => ({
          uuid,
          index,
          pool: this.#pool,
          model: "NVIDIA L20",
          memoryTotalMib: 49_152,
        })),
        leases: hello.leases ?? [],
        tokens: hello.tokens ?? [],
        recalls: hello.recalls ?? [],
        newestLeader: hello.newestLeader,
      },
    });
    const incoming = clients.agents.connect(this.#outgoing, { signal: this.#abort.signal });
    const welcomed = Promise.withResolvers<void>();
    this.ended = (async () => {
      try {
        for await (const message of incoming) {
          if (message.body?.$case === "welcome") welcomed.resolve();
          if (message.body !== undefined) this.#take(message.body);
        }
      } catch (thrown) {
        welcomed.reject(thrown);
        return thrown;
      }
      return undefined;
    })();
    await welcomed.promise;
  }

  disconnect(): void {
    this.#abort.abort();
    this.#outgoing.close();
    this.#close();
  }

  /** One sample of every device, of the owner alone or, with its memory, of all that is on the device. */
  sample(utilPct: number, devices: readonly string[] = this.devices, wholeMemoryMib?: number | null): void {
    this.#send({
      $case: "samples",
      value: {
        samples: devices.map((device) => ({
          device,
          ageMs: 0,
          attribution: wholeMemoryMib === undefined ? Attribution.OWNER : Attribution.DEVICE,
          utilPct,
          engineActiveRatio: undefined,
          memoryUsedMib: wholeMemoryMib === undefined ? 1_024 : (wholeMemoryMib ?? undefined),
          memoryFreeMib: undefined,
          ownerProcesses: undefined,
          pod: "",
        })),
      },
    });
  }

  report(lease: PeerLease, state: LeaseState, more: Partial<LeaseReport> = {}): void {
    lease.step += 1;
    lease.state = state;
    this.#send({ $case: "leaseReport", value: this.leaseReport(lease, more) });
    if (state === LeaseState.RELEASED || state === LeaseState.QUARANTINED)
      this.leases.delete(lease.header.leaseId);
  }

  /** Says the last step of a lease again, as an agent does that had no acknowledgement. */
  repeat(lease: PeerLease, more: Partial<LeaseReport> = {}): void {
    this.#send({ $case: "leaseReport", value: this.leaseReport(lease, more) });
  }

  leaseReport(lease: PeerLease, more: Partial<LeaseReport> = {}): LeaseReport {
    return {
      leaseId: lease.header.leaseId,
      token: lease.header.token,
      step: lease.step,
      state: lease.state,
      ageMs: 0,
      mover: Mover.CONTROLLER,
      detail: "",
      signalToStepMs: undefined,
      exitCode: undefined,
      exitSignal: "",
      checkpointAgeMs: undefined,
      workedMs: 0,
      vacateMs: undefined,
      recallId: "",
      devices: [...lease.devices],
      ...more,
    };
  }

  /** Of a recall that the agent took by itself. */
  tellRecall(report: RecallReport): void {
    this.#send({ $case: "recallReport", value: report });
  }

  /** Says what became of a command. */
  answer({ commandId }: CommandHeader, outcome: CommandOutcome): void {
    this.#send({ $case: "commandResult", value: { commandId, outcome, detail: "test" } });
  }

  /** Resolves once what was received so far satisfies the condition. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#listeners.add(resolve);
      await promise;
    }
  }

  /** Tells how old the leases' newest checkpoints are. */
  renew(checkpointAgesMs: ReadonlyMap<string, number>): void {
    const leases = [...checkpointAgesMs].map(([leaseId, checkpointAgeMs]) => ({
      leaseId,
      checkpointAgeMs,
      workedMs: 100_000,
    }));
    this.#send({ $case: "renewTerms", value: { sequence: 1, leases } });
  }

  /** Asks which guests have ended; resolves with the answer that names at least one. */
  async endedAmong(guestIds: readonly string[]): Promise<readonly EndedGuest[]> {
    const answers = () => this.commands.filter((body) => body.$case === "endedGuests");
    const before = answers().length;
    this.#send({ $case: "keptGuests", value: { guestIds: [...guestIds] } });
    await this.until(() => answers().length > before);
    return answers().at(-1)!.value.guests;
  }

  /** Resolves once the controller has heard all that was sent so far, and its answers to it have come. */
  async heard(): Promise<void> {
    const sequence = ++this.#sequence;
    this.#send({ $case: "renewTerms", value: { sequence, leases: [] } });
    await this.until(() =>
      this.commands.some((body) => body.$case === "termsRenewed" && body.value.sequence === sequence),
    );
  }

  #take(body: Body): void {
    this.commands.push(body);
    switch (body.$case) {
      case "start": {
        const { header, grants } = body.value;
        if (header === undefined) break;
        const lease = {
          header,
          devices: grants.map(({ device }) => device),
          step: 0,
          state: LeaseState.STARTING,
        };
        this.leases.set(header.leaseId, lease);
        this.#onStart(this, lease, body.value);
        break;
      }
      case "pause":
        this.#moved(body.value.header, LeaseState.PAUSED, body.value.demand?.recallId);
        break;
      case "resume":
        this.#moved(body.value.header, LeaseState.RUNNING);
        break;
      case "vacate":
        this.#moved(body.value.header, LeaseState.VACATING, body.value.demand?.recallId);
        this.#moved(body.value.header, LeaseState.RELEASED, body.value.demand?.recallId);
        break;
      case "kill":
        this.#moved(body.value.header, LeaseState.RELEASED, body.value.demand?.recallId);
        break;
      default:
        break;
    }
    const listeners = this.#listeners;
    this.#listeners = new Set();
    for (const listener of listeners) listener();
  }

  #moved(header: CommandHeader | undefined, state: LeaseState, recallId?: string): void {
    const lease = this.leases.get(header?.leaseId ?? "");
    if (lease === undefined) return;
    const mover = recallId === undefined ? Mover.CONTROLLER : Mover.OWNER;
    this.report(lease, state, {
      mover,
      recallId: recallId ?? "",
      signalToStepMs: recallId === undefined ? undefined : 1,
    });
  }

  #send(body: NonNullable<ConnectRequest["body"]>): void {
    if (!this.#outgoing.push({ body })) throw new Error("the peer's stream is full or closed");
  }
}
