import type { Host } from "../world/host.ts";
import { Life } from "../world/process.ts";
import type { Scheduler } from "../world/scheduler.ts";
import { commandOf } from "./commands.ts";
import { Journal } from "./journal.ts";
import { Keyspace, ReplyError } from "./keyspace.ts";
import type { Reply } from "./reply.ts";

/** What the server knows of a connection. */
export interface Peer {
  answer(replies: readonly Answer[], afterMs: number): void;
  /** The server is gone. */
  broke(): void;
}

export interface Request {
  readonly command: string;
  readonly args: readonly string[];
}

export interface Answer {
  readonly reply: Reply | ReplyError;
}

export interface RedisServerOptions {
  readonly host: Host;
  readonly scheduler: Scheduler;
  /** Commands that are carried out before the others have their turn: a crash falls between two turns. Default 16. */
  readonly commandsPerTurn?: number;
}

/** How long one takes. */
const commandMs = 0.01;

export const readOnlyReply = "READONLY You can't write against a read only replica.";
export const diskFullReply = "MISCONF Errors writing to the AOF file: No space left on device";

/** One Redis: what it answers, how long it takes, and all that can happen to it. */
export class SimRedisServer {
  readonly host: Host;
  readonly scheduler: Scheduler;
  #space = new Keyspace();
  #life: Life;
  readonly #journal = new Journal();
  readonly #peers = new Set<Peer>();
  #queue: { readonly peer: Peer; readonly request: Request }[] = [];
  readonly #commandsPerTurn: number;
  #slowness = 1;
  #busyUntilMs = 0;
  #isDue = false;
  #crashedAtMs = 0;

  constructor({ host, scheduler, commandsPerTurn = 16 }: RedisServerOptions) {
    this.host = host;
    this.scheduler = scheduler;
    this.#commandsPerTurn = commandsPerTurn;
    this.#life = new Life(host, scheduler);
  }

  get isUp(): boolean {
    return !this.#life.isDead;
  }

  get life(): Life {
    return this.#life;
  }

  /** Read only: for oracles. */
  get space(): Keyspace {
    this.#space.nowMs = this.host.wallMs();
    return this.#space;
  }

  /** At once, for whoever asks. Throws ReplyError. */
  execute(command: string, args: readonly string[]): Reply {
    if (command === "info") return this.#info();
    const { writes, run } = commandOf(command);
    const wallMs = this.host.wallMs();
    const space = this.#space;
    space.nowMs = wallMs;
    try {
      return run(space, args);
    } finally {
      // A script that fails half-way leaves what it did.
      if (writes && space.writesRefusal === null)
        this.#journal.append({ atMs: this.scheduler.nowMs, wallMs, command, args }, space);
    }
  }

  /** A process kill: connections break. */
  crash(): void {
    if (!this.isUp) return;
    this.#life.kill();
    this.#crashedAtMs = this.scheduler.nowMs;
    this.#queue = [];
    this.#isDue = false;
    for (const peer of this.#peers) peer.broke();
    this.#peers.clear();
  }

  /** With what the append-only file kept: without the last `lossMs` (of the world) before its end. */
  restart(lossMs = 0): void {
    this.crash();
    if (lossMs > 0) this.#space = this.#journal.backTo(this.#crashedAtMs - lossMs);
    this.#space.writesRefusal = null;
    this.#busyUntilMs = 0;
    this.#life = new Life(this.host, this.scheduler);
  }

  /** An older copy takes its place, as when a backup is restored or a replica that lagged is promoted. */
  restoreSnapshot(ageMs: number): void {
    this.restart(ageMs);
  }

  /** Comes back empty. */
  wipe(): void {
    this.restart();
    this.#space = new Keyspace();
    this.#journal.clear();
  }

  /** SIGSTOP: it answers nothing, and its connections stand. */
  stop(): void {
    this.#life.stop();
  }

  resume(): void {
    this.#life.resume();
  }

  goReadOnly(): void {
    this.refuseWrites(readOnlyReply);
  }

  /** As an error reply, until null. */
  refuseWrites(reply: string | null): void {
    this.#space.writesRefusal = reply;
  }

  /** Every command takes so many times as long. */
  slow(factor: number): void {
    this.#slowness = factor;
  }

  /** Connections break, and nothing else happens. */
  dropConnections(): void {
    for (const peer of this.#peers) peer.broke();
    this.#peers.clear();
  }

  accept(peer: Peer): void {
    this.#peers.add(peer);
  }

  leave(peer: Peer): void {
    this.#peers.delete(peer);
  }

  receive(peer: Peer, requests: readonly Request[]): void {
    for (const request of requests) this.#queue.push({ peer, request });
    this.#goOn();
  }

  #goOn(): void {
    if (this.#isDue || this.#queue.length === 0) return;
    const waitMs = this.#busyUntilMs - this.scheduler.nowMs;
    if (waitMs <= 0) {
      this.#work();
      return;
    }
    this.#isDue = true;
    this.#life.after(waitMs, () => {
      this.#isDue = false;
      this.#work();
    });
  }

  /** One turn. What it did stands from its beginning; the answers leave at its end. */
  #work(): void {
    const turn = this.#queue.splice(0, this.#commandsPerTurn);
    const tookMs = turn.length * commandMs * this.#slowness;
    this.#busyUntilMs = this.scheduler.nowMs + tookMs;
    const answers = new Map<Peer, Answer[]>();
    for (const { peer, request } of turn) {
      const own = answers.get(peer) ?? [];
      answers.set(peer, own);
      own.push({ reply: this.#try(request) });
    }
    for (const [peer, own] of answers) peer.answer(own, tookMs);
    this.#goOn();
  }

  #try({ command, args }: Request): Reply | ReplyError {
    try {
      return this.execute(command, args);
    } catch (thrown) {
      if (thrown instanceof ReplyError) return thrown;
      throw thrown;
    }
  }

  #info(): string {
    const role = this.#space.writesRefusal === readOnlyReply ? "slave" : "master";
    const fields = {
      redis_version: "7.2.0",
      loading: 0,
      role,
      maxmemory_policy: "noeviction",
      aof_enabled: 1,
    };
    return Object.entries(fields)
      .map(([name, value]) => `${name}:${value}\r\n`)
      .join("");
  }
}
