import type { Settings } from "../../config/settings.ts";
import { asGleanerError } from "../../errors/gleaner-error.ts";
import type { ConnectResponse, Hello, Welcome } from "../../gen/gleaner/v1/agents.ts";
import type { Logger } from "../../runtime/log.ts";
import type { Machine } from "../machine.ts";
import { Outbox, type Outgoing } from "./outbox.ts";

export type ControllerMessage = Exclude<ConnectResponse["body"], undefined | { $case: "welcome" }>;

/** What the agent does with its stream. */
export interface LinkUser {
  hello(link: ControllerLink): Hello;
  /** The controller took us in; `helloSentAtMs` is on the host's clock. */
  welcomed(link: ControllerLink, welcome: Welcome, helloSentAtMs: number): void;
  received(link: ControllerLink, message: ControllerMessage): void;
  /** The stream has ended; another attempt follows. */
  lost(link: ControllerLink): void;
}

interface LinkParts {
  readonly address: string;
  readonly user: LinkUser;
  readonly settings: Settings["agent"];
  readonly logger: Logger;
  readonly machine: Pick<Machine, "clock" | "connect" | "random">;
}

/** The stream to one controller, opened again and again while the agent lives. */
export class ControllerLink {
  readonly #parts: LinkParts;
  #outbox: Outbox | null = null;
  #stream: AbortController | null = null;
  #connected = false;

  constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  get address(): string {
    return this.#parts.address;
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  /** What waits for the present stream; null: there is none. */
  get waiting(): Outbox["waiting"] | null {
    return this.#outbox?.waiting ?? null;
  }

  /** False where there is no stream, or none that takes more. */
  send(message: Outgoing): boolean {
    return this.#connected && this.#outbox !== null && this.#outbox.push(message);
  }

  sendSamples(batch: Outgoing): void {
    if (this.#connected) this.#outbox?.pushSamples(batch);
  }

  /** Ends the present stream; the next one begins with a new Hello. */
  restart(reason: string): void {
    this.#parts.logger.info({ reason }, "opening the stream to the controller anew");
    this.#stream?.abort();
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { address, settings, machine, logger } = this.#parts;
    let failures = 0;
    while (!signal.aborted) {
      const wasWelcomed = await this.#connect(signal).catch((thrown: unknown) => {
        const err = asGleanerError(thrown);
        // The first failure is news; that it goes on is not.
        if (failures === 0 && !signal.aborted) logger.warn({ err, address }, "no stream to the controller");
        return false;
      });
      failures = wasWelcomed ? 0 : failures + 1;
      const waitMs = Math.min(settings.reconnectMsMax, settings.reconnectMsMin * 2 ** Math.min(failures, 20));
      await machine.clock.sleep(waitMs * (0.5 + machine.random() / 2), signal);
    }
  }

  /** True when the controller took us in. */
  async #connect(signal: AbortSignal): Promise<boolean> {
    const { address, user, logger, machine } = this.#parts;
    const stream = new AbortController();
    const leave = () => stream.abort();
    signal.addEventListener("abort", leave, { once: true });
    const outbox = new Outbox();
    let helloSentAtMs = 0;
    outbox.push(() => {
      helloSentAtMs = machine.clock.nowMs();
      return { body: { $case: "hello", value: user.hello(this) } };
    });
    this.#stream = stream;
    this.#outbox = outbox;
    const clients = machine.connect(address);
    try {
      for await (const { body } of clients.agents.connect(outbox, { signal: stream.signal })) {
        if (stream.signal.aborted) break;
        if (body?.$case === "welcome") {
          this.#connected = true;
          const { epoch, standby } = body.value;
          logger.info({ address, epoch, standby }, "connected to the controller");
          user.welcomed(this, body.value, helloSentAtMs);
        } else if (body !== undefined && this.#connected) user.received(this, body);
      }
    } catch (thrown) {
      if (!this.#connected) throw thrown;
      if (!stream.signal.aborted)
        logger.warn({ err: asGleanerError(thrown), address }, "the controller's stream broke");
    } finally {
      const dropped = outbox.takeDropped();
      if (dropped > 0)
        logger.warn({ dropped }, "batches of samples were dropped: the controller read too slowly");
      signal.removeEventListener("abort", leave);
      outbox.close();
      clients.close();
      this.#outbox = null;
      if (this.#connected) user.lost(this);
    }
    const wasConnected = this.#connected;
    this.#connected = false;
    return wasConnected;
  }
}
