import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** `up`: from those who connect to the server behind; `down`: back. `reset`: every connection is torn down. */
export type Cut = "none" | "both" | "up" | "down" | "reset";

type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/** A wire that can be cut: stands before a server and holds back the bytes of one direction, of both, or hangs up. */
export class Relay implements AsyncDisposable {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #cut: Cut = "none";

  private constructor(behind: () => Address) {
    // What half-closes is passed on as it is.
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#join(client, behind()));
  }

  /** `behind` may move while the relay stands. */
  static async open(at: Address, behind: () => Address): Promise<Relay> {
    const relay = new Relay(behind);
    await once(relay.#server.listen(at), "listening");
    return relay;
  }

  cut(cut: Cut): void {
    this.#cut = cut;
    for (const link of this.#links) link.obey(cut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) link.obey("reset");
    await once(this.#server.close(), "close");
  }

  #join(client: Socket, behind: Address): void {
    const link = new Link(client, connect({ ...behind, allowHalfOpen: true }), () =>
      this.#links.delete(link),
    );
    this.#links.add(link);
    link.obey(this.#cut);
  }
}

class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #up: Way;
  readonly #down: Way;

  constructor(client: Socket, server: Socket, onClose: () => void) {
    this.#client = client;
    this.#server = server;
    this.#up = new Way(client, server);
    this.#down = new Way(server, client);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on("error", () => {}); // its close follows, and is all that matters here
      socket.on("close", () => {
        other.destroy();
        onClose();
      });
    }
  }

  obey(cut: Cut): void {
    if (cut === "reset") {
      for (const socket of [this.#client, this.#server]) hangUp(socket);
      return;
    }
    this.#up.flow(cut === "none" || cut === "down");
    this.#down.flow(cut === "none" || cut === "up");
  }
}

/** Only TCP knows a reset. */
function hangUp(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

/** One direction. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  #flows = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
  }

  flow(flows: boolean): void {
    if (flows === this.#flows) return;
    this.#flows = flows;
    if (flows) this.#from.pipe(this.#to);
    else this.#from.unpipe(this.#to).pause();
  }
}
