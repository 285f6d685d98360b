import type { Network } from "./network.ts";
import type { Life } from "./process.ts";

type Answer<T> = { readonly value: T } | { readonly error: unknown } | "end";

/** A server-streaming call. It ends with an error when the connection or the server does; leaving it cancels it there. */
export async function* stream<T>(
  network: Network,
  client: Life,
  server: Life,
  work: (signal: AbortSignal) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const connection = network.connect<"call", Answer<T>>(client, server);
  connection.ask("call");
  void serve(connection.requests, work, (answer) => connection.answer(answer));
  try {
    for await (const answer of connection.responses) {
      if (answer === "end") return;
      if ("error" in answer) throw answer.error;
      yield answer.value;
    }
    throw new Error("the server went away");
  } finally {
    connection.hangUp("client");
  }
}

async function serve<T>(
  requests: AsyncIterable<"call">,
  work: (signal: AbortSignal) => AsyncIterable<T>,
  answer: (answer: Answer<T>) => void,
): Promise<void> {
  const cancelled = new AbortController();
  const inbox = requests[Symbol.asyncIterator]();
  const first = await inbox.next().catch(() => ({ done: true as const }));
  if (first.done === true) return;
  void inbox.next().then(
    () => cancelled.abort(),
    () => cancelled.abort(),
  );
  try {
    for await (const value of work(cancelled.signal)) answer({ value });
    answer("end");
  } catch (error) {
    answer({ error });
  }
}

/** A unary call. */
export async function call<T>(
  network: Network,
  client: Life,
  server: Life,
  work: () => Promise<T>,
): Promise<T> {
  const once = async function* () {
    yield await work();
  };
  for await (const value of stream(network, client, server, once)) return value;
  throw new Error("the server answered nothing");
}
