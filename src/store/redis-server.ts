import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Logger } from "../runtime/log.ts";

/** Longest path that fits into sockaddr_un with its closing NUL. */
const socketBytesMax = 107;
/** From the start of the process until it answers; reading a large append-only file takes time. */
const readyMsMax = 60_000;
/** A predecessor on the same directory, told to end by its parent's death, may take this long to write its file out. */
const lockWaitS = 20;
const stopMsMax = 10_000;
const restartMsMin = 100;
const restartMsMax = 5_000;
/** A log that has grown beyond it is begun anew at the next start. */
const logBytesMax = 1024 * 1024;

export interface RedisServerOptions {
  /** Holds the append-only file, the log and, where its path is short enough, the socket. Made when missing. */
  readonly dir: string;
  /** `always` outlives the machine's crash, `everysec` the death of any process. */
  readonly appendfsync?: "always" | "everysec";
  readonly logger?: Logger;
}

export interface RedisServer extends AsyncDisposable {
  /** Path of the Unix socket, as ioredis (and so BullMQ) takes it. The same over restarts. */
  readonly url: string;
  /** Of the process that serves now; changes with a restart. */
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts a Redis that belongs to this process alone: no network, append-only file on, never evicting. It is restarted
 * when it dies, at most every 5 s for as long as we live, and ends when we end, however we end.
 *
 * Throws REDIS_NOT_INSTALLED, or REDIS_UNREACHABLE with the end of the server's log.
 */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  if (!isInstalled("redis-server")) throw new GleanerError("REDIS_NOT_INSTALLED");
  const server = new PrivateRedis(options);
  try {
    await server.start();
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
  return server;
}

class PrivateRedis implements RedisServer {
  readonly url: string;
  readonly #dir: string;
  readonly #appendfsync: string;
  readonly #logger: Logger | undefined;
  readonly #stopping = new AbortController();
  readonly #endWithUs = () => void this.#child?.kill("SIGTERM");
  #child: ChildProcess | null = null;
  #supervision: Promise<void> = Promise.resolve();

  constructor({ dir, appendfsync = "everysec", logger }: RedisServerOptions) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#dir = dir;
    this.#appendfsync = appendfsync;
    this.#logger = logger;
    this.url = socketPath(dir);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    process.once("exit", this.#endWithUs);
    const ended = this.#spawn();
    await this.#ready();
    this.#supervision = this.#supervise(ended);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child !== null && !hasEnded(child)) {
      child.kill("SIGTERM");
      const patience = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
      await once(child, "exit");
      clearTimeout(patience);
    }
    await this.#supervision;
    process.off("exit", this.#endWithUs);
    if (dirname(this.url) !== this.#dir) rmSync(dirname(this.url), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #supervise(firstEnd: Promise<unknown>): Promise<void> {
    let ended = firstEnd;
    let delayMs = restartMsMin;
    for (;;) {
      await ended;
      if (this.#stopping.signal.aborted) return;
      this.#logger?.error(
        { delayMs, lastLines: this.#logTail() },
        "the private Redis ended; starting it again",
      );
      await sleep(delayMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
      if (this.#stopping.signal.aborted) return;
      ended = this.#spawn();
      const isReady = await this.#ready().then(
        () => true,
        () => false,
      );
      delayMs = isReady ? restartMsMin : Math.min(delayMs * 2, restartMsMax);
      if (!isReady) this.#child?.kill("SIGKILL");
    }
  }

  /** Resolves when the process has ended. */
  #spawn(): Promise<unknown> {
    const redis = ["redis-server", ...this.#arguments()];
    const [command = "", ...args] = [...guards(this.#dir, this.#logger), ...redis];
    const log = openSync(this.#logPath, isTooLong(this.#logPath) ? "w" : "a", 0o600);
    // A group of its own: Ctrl-C is for us, and Redis ends after those who still need it.
    const child = spawn(command, args, { stdio: ["ignore", log, log], detached: true, cwd: this.#dir });
    closeSync(log);
    this.#child = child;
    return once(child, "exit").catch(() => {});
  }

  #arguments(): string[] {
    const settings = {
      port: "0",
      unixsocket: this.url,
      unixsocketperm: "700",
      daemonize: "no",
      // Else it tells of each rewrite of its file, and its log would grow for as long as it runs.
      loglevel: "warning",
      dir: this.#dir,
      appendonly: "yes",
      appendfsync: this.#appendfsync,
      save: "",
      "maxmemory-policy": "noeviction",
    };
    return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  }

  /** Waits until our own child answers and has its data read; a predecessor may still sit on the socket for a moment. */
  async #ready(): Promise<void> {
    const giveUpAtMs = performance.now() + readyMsMax;
    for (;;) {
      if (this.#child === null || hasEnded(this.#child) || performance.now() > giveUpAtMs)
        throw new GleanerError("REDIS_UNREACHABLE", {
          url: this.url,
          problem: `it did not start: ${this.#logTail()}`,
        });
      if ((await servingPid(this.url)) === this.#child.pid) return;
      await sleep(10);
    }
  }

  get #logPath(): string {
    return join(this.#dir, "redis.log");
  }

  #logTail(): string {
    return existsSync(this.#logPath)
      ? readFileSync(this.#logPath, "utf8").trimEnd().split("\n").slice(-3).join(" | ")
      : "";
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function socketPath(dir: string): string {
  const beside = join(dir, "redis.sock");
  if (Buffer.byteLength(beside) <= socketBytesMax) return beside;
  return join(mkdtempSync("/tmp/gleaner-"), "redis.sock");
}

/**
 * Both exec what follows, so that the process that we start becomes redis-server itself.
 * setpriv: the kernel ends it when the thread that spawned it dies, by kill -9 too. flock: two servers never write the
 * same append-only file, a dying predecessor is waited for. Both are util-linux; without them only a clean end is covered.
 */
function guards(dir: string, logger: Logger | undefined): string[] {
  if (process.platform === "linux" && isInstalled("setpriv") && isInstalled("flock"))
    return `setpriv --pdeathsig TERM -- flock --no-fork --timeout ${lockWaitS}`
      .split(" ")
      .concat(join(dir, "redis.lock"));
  logger?.warn(
    { dir },
    "setpriv and flock (util-linux) are missing: a crash of Gleaner leaves its Redis running",
  );
  return [];
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
}

function isTooLong(path: string): boolean {
  return existsSync(path) && statSync(path).size > logBytesMax;
}

/** The process behind the socket; null while none answers or it still loads. */
async function servingPid(path: string): Promise<number | null> {
  const client = new Redis(path, {
    lazyConnect: true,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    commandTimeout: 1_000,
  });
  client.on("error", () => {}); // the rejection of connect() tells the same
  try {
    await client.connect();
    return Number(/^process_id:(\d+)/m.exec(await client.info("server"))?.[1]);
  } catch {
    return null;
  } finally {
    client.disconnect();
  }
}
