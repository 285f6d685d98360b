import { GleanerError } from "../errors/gleaner-error.ts";
import type { ConnectRequest, ConnectResponse, Hello } from "../gen/gleaner/v1/agents.ts";
import type { Logger } from "../runtime/log.ts";
import type { AgentSession } from "./agent-session.ts";

/** What an agent says after its Hello. */
export type Said = Exclude<NonNullable<ConnectRequest["body"]>, { readonly $case: "hello" }>;

interface AgentStreamParts {
  readonly zone: string;
  readonly log: Logger;
  /** Begins the session. May refuse with AGENT_REFUSED. */
  readonly welcome: (hello: Hello) => AgentSession | Promise<AgentSession>;
  readonly hear: (session: AgentSession, said: Said) => void;
  readonly left: (session: AgentSession) => void;
}

/**
 * The frame of an agent's stream, in whatever role the controller is: Hello, then both speak until either end leaves.
 * Throws AGENT_REFUSED.
 */
export async function* agentStream(
  incoming: AsyncIterable<ConnectRequest>,
  signal: AbortSignal,
  { zone, log, welcome, hear, left }: AgentStreamParts,
): AsyncIterable<ConnectResponse> {
  const messages = incoming[Symbol.asyncIterator]();
  const first = await messages.next();
  if (first.done === true) return;
  const session = await welcome(helloOf(first.value, zone));
  const leave = () => session.outgoing.close();
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  void hearAll()
    .catch((thrown: unknown) => {
      log.warn({ err: thrown, agent: session.agentId }, "the agent's stream failed");
    })
    .then(leave);
  try {
    yield* session.outgoing;
  } finally {
    signal.removeEventListener("abort", leave);
    left(session);
  }

  async function hearAll(): Promise<void> {
    for (;;) {
      const { done, value } = await messages.next();
      if (done === true) return;
      const { body } = value;
      if (body !== undefined && body.$case !== "hello") hear(session, body);
      else log.warn({ agent: session.agentId }, "the agent sent a message that has no place here; ignored");
    }
  }
}

function helloOf({ body }: ConnectRequest, zone: string): Hello {
  const refused = (agentId: string, problem: string) =>
    new GleanerError("AGENT_REFUSED", { agentId: agentId || "(unknown)", problem });
  if (body?.$case !== "hello") throw refused("", "the first message must be Hello");
  const { agentId, host, zone: its } = body.value;
  if (host === "" || agentId === "") throw refused(agentId, "host and agent_id must be given");
  if (its !== zone) throw refused(agentId, `it belongs to zone ${its}, this is zone ${zone}`);
  return body.value;
}
