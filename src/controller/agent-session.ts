import type { ConnectResponse } from "../gen/gleaner/v1/agents.ts";
import type { FencingToken } from "../core/lease.ts";
import { Channel } from "../runtime/channel.ts";

type Body = NonNullable<ConnectResponse["body"]>;
type Commands = "start" | "pause" | "resume" | "vacate" | "kill" | "withdraw";
/** A command as its sender writes it: the session adds the header. */
type CommandPayload<Case extends Commands> = Omit<Extract<Body, { $case: Case }>["value"], "header">;

/** Messages that may wait for a slow agent before it is cut off; it reconnects and is told anew. */
const outgoingMax = 20_000;

/** One agent's stream, from Welcome to its end. */
export class AgentSession {
  readonly host: string;
  readonly agentId: string;
  readonly outgoing = new Channel<ConnectResponse>(outgoingMax);
  readonly epoch: number;
  #lastCommandId = 0;
  /** What to do when a command was not carried out, by command id. */
  readonly #awaiting = new Map<number, string>();

  constructor(identity: { host: string; agentId: string; epoch: number }) {
    this.host = identity.host;
    this.agentId = identity.agentId;
    this.epoch = identity.epoch;
  }

  send(body: Body): void {
    if (!this.outgoing.push({ body }))
      this.outgoing.fail(new Error(`agent ${this.agentId} reads too slowly`));
  }

  command<Case extends Commands>(
    name: Case,
    lease: { readonly id: string; readonly token: FencingToken },
    payload: CommandPayload<Case>,
  ): void {
    const commandId = ++this.#lastCommandId;
    if (name === "start") this.#awaiting.set(commandId, lease.id);
    const header = { commandId, epoch: this.epoch, leaseId: lease.id, token: lease.token };
    this.send({ $case: name, value: { ...payload, header } } as unknown as Body);
  }

  /** The lease whose start this result answers, if it does. */
  takeStart(commandId: number): string | undefined {
    const lease = this.#awaiting.get(commandId);
    this.#awaiting.delete(commandId);
    return lease;
  }
}
