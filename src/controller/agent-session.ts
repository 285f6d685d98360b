import type { ConnectResponse } from "../gen/gleaner/v1/agents.ts";
import type { FencingToken, Lease } from "../core/lease.ts";
import { Channel } from "../runtime/channel.ts";
import type { Reign } from "./reign.ts";

type Body = NonNullable<ConnectResponse["body"]>;
type Commands = "start" | "pause" | "resume" | "vacate" | "kill" | "withdraw";
/** A command as its sender writes it: the session adds the header. */
type CommandPayload<Case extends Commands> = Omit<Extract<Body, { $case: Case }>["value"], "header">;

interface Awaiting {
  readonly name: "start" | "resume";
  readonly leaseId: string;
}

/** Messages that may wait for a slow agent before it is cut off; it reconnects and is told anew. */
const outgoingMax = 20_000;

/** Starts and resumes whose result an agent may owe. */
const awaitingMax = 20_000;

/** One agent's stream, from Welcome to its end. */
export class AgentSession {
  readonly host: string;
  readonly agentId: string;
  readonly outgoing = new Channel<ConnectResponse>(outgoingMax);
  /** Leases of an earlier reign that Hello did not name and that may be started yet. */
  readonly unproven: Lease[] = [];
  readonly #reign: Pick<Reign, "epoch">;
  #lastCommandId = 0;
  /** By command id: those whose result matters here. */
  readonly #awaiting = new Map<number, Awaiting>();

  constructor(parts: { host: string; agentId: string; reign: Pick<Reign, "epoch"> }) {
    this.host = parts.host;
    this.agentId = parts.agentId;
    this.#reign = parts.reign;
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
    if (name === "start" || name === "resume") this.#awaiting.set(commandId, { name, leaseId: lease.id });
    if (this.#awaiting.size > awaitingMax)
      this.outgoing.fail(new Error(`agent ${this.agentId} answers no commands`));
    const header = { commandId, epoch: this.#reign.epoch, leaseId: lease.id, token: lease.token };
    this.send({ $case: name, value: { ...payload, header } } as unknown as Body);
  }

  /** The start or resume that this result answers, if it does. */
  takeAnswered(commandId: number): Awaiting | undefined {
    const command = this.#awaiting.get(commandId);
    this.#awaiting.delete(commandId);
    return command;
  }
}
