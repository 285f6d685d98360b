import type { Clients } from "../../../src/api/client.ts";
import type { Desks } from "../../../src/api/server.ts";
import { ConnectRequest, ConnectResponse } from "../../../src/gen/gleaner/v1/agents.ts";
import type { Connection, Network } from "./network.ts";
import type { Life } from "./process.ts";

/** Where an agent's stream may end up. */
interface Server {
  readonly life: Life | null;
  readonly desks: Desks | null;
}

/** An agent's stream to a controller. Messages go as bytes, so that neither end sees what the other changes later. */
export function agentStream(
  network: Network,
  client: Life,
  find: () => Server | undefined,
): Clients["agents"] {
  async function* connect(
    outgoing: AsyncIterable<ConnectRequest>,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncIterable<ConnectResponse> {
    await client.waits(network.delayMs());
    const server = find();
    if (server?.life === undefined || server.life === null || server.desks === null)
      throw new Error("UNAVAILABLE: nobody listens");
    const connection = network.connect<Uint8Array, Uint8Array>(client, server.life);
    void serve(server.desks, connection);
    void send(outgoing, connection);
    signal?.addEventListener("abort", () => connection.hangUp("client"), { once: true });
    for await (const bytes of connection.responses) yield ConnectResponse.decode(bytes);
  }
  return { connect };
}

async function send(
  outgoing: AsyncIterable<ConnectRequest>,
  connection: Connection<Uint8Array, Uint8Array>,
): Promise<void> {
  for await (const message of outgoing) connection.ask(ConnectRequest.encode(message).finish());
  connection.hangUp("client");
}

async function serve(desks: Desks, connection: Connection<Uint8Array, Uint8Array>): Promise<void> {
  const gone = new AbortController();
  try {
    const requests = decoded(connection.requests, gone);
    for await (const message of desks.agents.connect(requests, gone.signal))
      connection.answer(ConnectResponse.encode(message).finish());
    connection.hangUp("server");
  } catch (error) {
    connection.hangUp("server", error instanceof Error ? error : new Error(String(error)));
  }
}

async function* decoded(
  requests: AsyncIterable<Uint8Array>,
  gone: AbortController,
): AsyncIterable<ConnectRequest> {
  try {
    for await (const bytes of requests) yield ConnectRequest.decode(bytes);
  } finally {
    gone.abort();
  }
}
