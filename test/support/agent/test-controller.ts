import { createServer, type Server, type ServiceImplementation } from "nice-grpc";
import { leaseStepFromProto, type LeaseStep } from "../../../src/api/convert/lease.ts";
import { specToProto } from "../../../src/api/convert/guest.ts";
import type { GuestSpec } from "../../../src/core/guest.ts";
import type { LeaseState } from "../../../src/core/lease.ts";
import {
  AgentServiceDefinition,
  type CommandHeader,
  type CommandResult,
  type ConnectRequest,
  type ConnectResponse,
  type PoolSettings,
} from "../../../src/gen/gleaner/v1/agents.ts";
import { ReturnSignal, Rung, VacateFromPause } from "../../../src/gen/gleaner/v1/owners.ts";
import { Channel } from "../../../src/runtime/channel.ts";

type Message = NonNullable<ConnectRequest["body"]>;
type Answer = NonNullable<ConnectResponse["body"]>;
type MessageOf<Case extends Message["$case"]> = Extract<Message, { $case: Case }>["value"];
/** Made by the test; the session adds what it would repeat. */
type Payload<Case extends Answer["$case"]> = Omit<Extract<Answer, { $case: Case }>["value"], "header">;

export interface StartWish {
  readonly leaseId?: string;
  readonly guestId: string;
  readonly attempt?: number;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly devices: readonly string[];
  readonly number: number;
  readonly epoch?: number;
  readonly noticeMs?: number;
}

/** The controller's end of AgentService: real gRPC, and every answer is the test's own. */
export class TestController {
  epoch = 1;
  generation = 1;
  termMs = 60_000;
  renewIntervalMs = 1_000;
  pools: PoolSettings[] = [];
  renews = true;
  acknowledges = true;
  /** Leases that are not in its books. */
  forgets: readonly string[] = [];
  /** Guests that will never run again. */
  readonly ended = new Set<string>();
  address = "";
  readonly received: Message[] = [];
  #server: Server | null = null;
  #out: Channel<ConnectResponse> | null = null;
  #commandId = 0;
  #waiting: { check: () => boolean; resolve: () => void }[] = [];

  async listen(address = "127.0.0.1:0"): Promise<void> {
    const server = createServer();
    // The generated interface and nice-grpc's own are the same but for exactOptionalPropertyTypes.
    const service = { connect: this.#serve.bind(this) } as unknown as ServiceImplementation<
      typeof AgentServiceDefinition
    >;
    server.add(AgentServiceDefinition, service);
    this.#server = server;
    const port = await server.listen(address);
    this.address = `127.0.0.1:${port}`;
  }

  /** Vanishes as a process that is killed does. */
  vanish(): void {
    this.#server?.forceShutdown();
    this.#server = null;
    this.#out = null;
  }

  /** Drops the stream and waits for the next Hello; forgets what came before. */
  async reconnected(): Promise<void> {
    this.received.length = 0;
    this.#out?.close();
    await this.until(() => this.all("hello").length > 0);
  }

  send(body: Answer): void {
    this.#out?.push({ body });
  }

  start(wish: StartWish): number {
    const { guestId, attempt = 1, command, env = {}, devices, noticeMs = 2_000 } = wish;
    const spec: GuestSpec = {
      tenant: "alice",
      name: guestId,
      kind: "batch",
      workload: { kind: "process", command, env, workingDir: "" },
      shape: { devices: devices.length, sharePermille: 1_000, memoryMib: null, model: "", pools: [] },
      priority: 50,
      checkpointIntervalMs: null,
      startMs: 0,
      noticeMs,
      durationHintMs: null,
      retries: 0,
      evictionsMax: 100,
      notBeforeMs: null,
      trustGroup: "alice",
      labels: {},
    };
    const leaseId = wish.leaseId ?? `${guestId}:${attempt}`;
    const header = this.#header(leaseId, wish.number, wish.epoch);
    const grants = devices.map((device) => ({ device, share: 1, memoryMib: 0 }));
    this.send({
      $case: "start",
      value: {
        header,
        guestId,
        attempt,
        spec: specToProto(spec),
        grants,
        checkpointIntervalMs: 60_000,
        noticeMs,
      },
    });
    return header.commandId;
  }

  command<Case extends "pause" | "resume" | "vacate" | "kill" | "withdraw">(
    $case: Case,
    leaseId: string,
    payload: Payload<Case>,
    epoch = this.epoch,
  ): number {
    const header = this.#header(leaseId, 1, epoch);
    this.send({ $case, value: { ...payload, header } } as unknown as Answer);
    return header.commandId;
  }

  /** Every message of a kind so far. */
  all<Case extends Message["$case"]>($case: Case): MessageOf<Case>[] {
    return this.received.filter((body) => body.$case === $case).map((body) => body.value as MessageOf<Case>);
  }

  /** Steps of one lease, as reported, without repetitions. */
  steps(leaseId: string): LeaseStep[] {
    const steps = new Map<number, LeaseStep>();
    for (const report of this.all("leaseReport"))
      if (report.leaseId === leaseId) steps.set(report.step, leaseStepFromProto(report, 0));
    return [...steps.values()].toSorted((a, b) => a.step - b.step);
  }

  states(leaseId: string): LeaseState[] {
    return this.steps(leaseId).map(({ state }) => state);
  }

  async reached(leaseId: string, state: LeaseState, times = 1): Promise<LeaseStep> {
    await this.until(() => this.states(leaseId).filter((seen) => seen === state).length >= times);
    return this.steps(leaseId).findLast((step) => step.state === state)!;
  }

  async result(commandId: number): Promise<CommandResult> {
    const found = () => this.all("commandResult").find((result) => result.commandId === commandId);
    await this.until(() => found() !== undefined);
    return found()!;
  }

  /** Looks again at each message that arrives. */
  async until(check: () => boolean): Promise<void> {
    if (check()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ check, resolve });
    await promise;
  }

  #header(leaseId: string, number: number, epoch = this.epoch): CommandHeader {
    return { commandId: ++this.#commandId, epoch, leaseId, token: { generation: this.generation, number } };
  }

  async *#serve(
    requests: AsyncIterable<ConnectRequest>,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<ConnectResponse> {
    const out = new Channel<ConnectResponse>(10_000, signal);
    void this.#read(requests, out);
    yield* out;
  }

  async #read(requests: AsyncIterable<ConnectRequest>, out: Channel<ConnectResponse>): Promise<void> {
    try {
      for await (const { body } of requests) {
        if (body === undefined) continue;
        this.received.push(body);
        this.#answer(body, out);
        const ready = this.#waiting.filter(({ check }) => check());
        this.#waiting = this.#waiting.filter((waiting) => !ready.includes(waiting));
        for (const { resolve } of ready) resolve();
      }
    } catch {
      // The agent was killed, or the test has vanished.
    } finally {
      out.close();
    }
  }

  #answer(body: Message, out: Channel<ConnectResponse>): void {
    const answer = (message: Answer) => out.push({ body: message });
    if (body.$case === "hello") {
      this.#out = out;
      const { epoch, generation, termMs, renewIntervalMs, pools } = this;
      answer({
        $case: "welcome",
        value: {
          epoch,
          generation,
          nonce: "",
          standby: false,
          termMs,
          renewIntervalMs,
          sampleIntervalMs: 1_000,
          pools,
        },
      });
    } else if (body.$case === "leaseReport" && this.acknowledges)
      answer({ $case: "leaseReportAck", value: { leaseId: body.value.leaseId, step: body.value.step } });
    else if (body.$case === "recallReport" && this.acknowledges) {
      const { recallId, device, stage } = body.value;
      answer({ $case: "recallReportAck", value: { recallId, device, stage } });
    } else if (body.$case === "keptGuests") {
      const guests = body.value.guestIds.filter((id) => this.ended.has(id)).map((guestId) => ({ guestId }));
      answer({ $case: "endedGuests", value: { guests } });
    } else if (body.$case === "renewTerms" && this.renews) {
      const { sequence, leases } = body.value;
      answer({
        $case: "termsRenewed",
        value: {
          sequence,
          leaseIds: leases.map(({ leaseId }) => leaseId).filter((id) => !this.forgets.includes(id)),
        },
      });
    }
  }
}

export function poolSettings(change: Partial<PoolSettings> = {}): PoolSettings {
  return {
    pool: "research",
    recallDeadlineMs: 30_000,
    pauseBudgetMs: 60_000,
    firstRung: Rung.PAUSE,
    vacateFromPause: VacateFromPause.THAW,
    returnSignal: ReturnSignal.ACTIVITY,
    reserveMemoryMib: 0,
    ...change,
  };
}
