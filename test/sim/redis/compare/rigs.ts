import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { connectRedis } from "../../../../src/store/connection.ts";
import { startTestRedis, type TestRedis } from "../../../support/redis.ts";
import { Host } from "../../world/host.ts";
import { Life } from "../../world/process.ts";
import { Scheduler } from "../../world/scheduler.ts";
import { connectSimRedis } from "../client.ts";
import { steadyLink, type RedisLink } from "../link.ts";
import { SimRedisServer } from "../server.ts";

/** A Redis, the way to it, and what can be done to both; in real or in virtual time. */
export interface Rig {
  connect(commandMsMax: number): Promise<Redis>;
  nowMs(): number;
  after(ms: number): Promise<void>;
  /** Of the next answers the connection carries so many, and breaks. */
  breakAfter(answers: number): void;
  down(): Promise<void>;
  up(): Promise<void>;
  /** SIGSTOP. */
  freeze(): void;
  thaw(): void;
  setReadOnly(is: boolean): Promise<void>;
}

/** Answers to INCRBY below 10. */
const answerBytes = ":1\r\n".length;

export class RealRig implements Rig {
  readonly #redis: TestRedis;
  readonly #sockets = new Set<Socket>();
  readonly #proxy: Server;
  #port = 0;
  #bytesLeft = Infinity;

  private constructor(redis: TestRedis) {
    this.#redis = redis;
    this.#proxy = createServer((socket) => this.#carry(socket));
  }

  static async open(): Promise<RealRig> {
    const rig = new RealRig(await startTestRedis());
    await rig.up();
    return rig;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    await this.#redis.stop();
  }

  connect(commandMsMax: number): Promise<Redis> {
    return connectRedis(`redis://127.0.0.1:${this.#port}`, { name: "rig", commandMsMax });
  }

  nowMs(): number {
    return performance.now();
  }

  async after(ms: number): Promise<void> {
    await sleep(ms);
  }

  breakAfter(answers: number): void {
    this.#bytesLeft = answers * answerBytes;
  }

  async down(): Promise<void> {
    const closed = once(this.#proxy, "close");
    this.#proxy.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async up(): Promise<void> {
    this.#proxy.listen(this.#port, "127.0.0.1");
    await once(this.#proxy, "listening");
    this.#port = (this.#proxy.address() as AddressInfo).port;
  }

  freeze(): void {
    process.kill(this.#redis.pid, "SIGSTOP");
  }

  thaw(): void {
    process.kill(this.#redis.pid, "SIGCONT");
  }

  async setReadOnly(is: boolean): Promise<void> {
    const admin = new Redis(this.#redis.url);
    await admin.call("replicaof", ...(is ? ["127.0.0.1", "1"] : ["no", "one"]));
    admin.disconnect();
  }

  #carry(socket: Socket): void {
    const server = connect(this.#redis.url);
    for (const end of [socket, server]) {
      this.#sockets.add(end);
      end.on("error", () => {});
      end.on("close", () => {
        this.#sockets.delete(end);
        socket.destroy();
        server.destroy();
      });
    }
    socket.on("data", (bytes) => server.write(bytes));
    server.on("data", (bytes) => {
      const passes = bytes.subarray(0, this.#bytesLeft);
      const isBroken = bytes.length > this.#bytesLeft;
      if (!isBroken) socket.write(passes);
      else {
        this.#bytesLeft = Infinity;
        socket.end(passes);
      }
    });
  }
}

export class SimRig implements Rig {
  readonly scheduler = new Scheduler();
  readonly #server: SimRedisServer;
  readonly #life: Life;
  #answersLeft = 0;
  #isToBreak = false;

  constructor() {
    const host = new Host("redis", this.scheduler, 0);
    this.#server = new SimRedisServer({ host, scheduler: this.scheduler });
    this.#life = new Life(new Host("client", this.scheduler, 0), this.scheduler);
  }

  connect(commandMsMax: number): Promise<Redis> {
    const link: RedisLink = {
      ...steadyLink(0.1),
      breaks: (way) => {
        const breaks = way === "back" && this.#isToBreak;
        if (breaks) this.#isToBreak = false;
        return breaks;
      },
      arrive: (underWay) => Math.min(underWay, this.#answersLeft),
    };
    return connectSimRedis(this.#server, this.#life, link, { name: "rig", commandMsMax });
  }

  nowMs(): number {
    return this.scheduler.nowMs;
  }

  after(ms: number): Promise<void> {
    return this.#life.waits(ms);
  }

  breakAfter(answers: number): void {
    this.#answersLeft = answers;
    this.#isToBreak = true;
  }

  async down(): Promise<void> {
    this.#server.crash();
  }

  async up(): Promise<void> {
    this.#server.restart();
  }

  freeze(): void {
    this.#server.stop();
  }

  thaw(): void {
    this.#server.resume();
  }

  async setReadOnly(is: boolean): Promise<void> {
    if (is) this.#server.goReadOnly();
    else this.#server.refuseWrites(null);
  }
}
