import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Stands before a Redis and can hold a request back, so that a test decides what happens while it is on its way. */
export class RedisGate implements AsyncDisposable {
  readonly url: string;
  readonly #dir = mkdtempSync(join(tmpdir(), "gleaner-gate-"));
  readonly #server;
  readonly #sockets = new Set<Socket>();
  #awaited: { readonly marker: string; readonly held: (release: () => void) => void } | null = null;

  private constructor(redisUrl: string) {
    this.url = join(this.#dir, "redis.sock");
    this.#server = createServer((client) => this.#pass(client, connect(redisUrl)));
  }

  static async open(redisUrl: string): Promise<RedisGate> {
    const gate = new RedisGate(redisUrl);
    await once(gate.#server.listen(gate.url), "listening");
    return gate;
  }

  /** Resolves when a request that holds the marker has come; it and what follows it there pass at the release. */
  held(marker: string): Promise<() => void> {
    const { promise, resolve: held } = Promise.withResolvers<() => void>();
    this.#awaited = { marker, held };
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server.close(), "close");
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #pass(client: Socket, redis: Socket): void {
    let waiting: Buffer[] | null = null;
    const release = () => {
      for (const chunk of waiting ?? []) redis.write(chunk);
      waiting = null;
    };
    client.on("data", (chunk) => {
      const awaited = this.#awaited;
      if (awaited !== null && chunk.includes(awaited.marker)) {
        this.#awaited = null;
        waiting = [];
        awaited.held(release);
      }
      if (waiting === null) redis.write(chunk);
      else waiting.push(chunk);
    });
    redis.pipe(client);
    for (const [socket, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {}); // its close follows, and is all that matters here
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
