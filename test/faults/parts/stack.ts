import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { connectClients, type Clients } from "../../../src/api/client.ts";
import { gleaner } from "../../../src/cli/self.ts";
import { keeperCommand } from "../../../src/keeper/keeper-command.ts";
import { Oracle } from "../oracle.ts";
import { freeAddress } from "./free-address.ts";
import { FaultProcess } from "./process.ts";
import { Relay } from "./relay.ts";
import { SmallDisk } from "./small-disk.ts";
import { WallClock } from "./wall-clock.ts";

/** What a row wants to be different from a plain stack. */
export interface StackNeeds {
  readonly appendfsync?: "always" | "everysec";
  readonly smallDisk?: "agent" | "controller" | "redis";
  readonly wallClock?: "agent" | "controller";
  /** A second controller, which begins as the standby. */
  readonly standby?: boolean;
}

/** A controller, an agent and a Redis as in production: processes of their own, and wires between them that can be cut. */
export interface FaultStack extends AsyncDisposable {
  readonly dir: string;
  readonly controller: FaultProcess;
  /** Null where the row wants none. It may lead by and by. */
  readonly standby: FaultProcess | null;
  readonly agent: FaultProcess;
  readonly redis: FaultProcess;
  readonly agentWire: Relay;
  readonly redisWire: Relay;
  readonly disk: SmallDisk | null;
  readonly wallClock: WallClock | null;
  /** Of whichever controller leads, reached without the wire. */
  readonly clients: Clients;
  /** Where owners recall: from the controllers, without the wire, and from the agent. */
  readonly recallAddresses: { readonly controllers: readonly string[]; readonly agent: string };
  readonly oracle: Oracle;
  /** Who leads now, and who stands by; waits until that is settled. */
  roles(): Promise<Roles>;
}

export interface Roles {
  readonly leader: FaultProcess;
  readonly standby: FaultProcess;
}

export const deadlineMs = 5_000;
/** The longest notice that a guest of these runs asks for. */
export const noticeMs = 1_500;

const host = "host-a";
/** For an agent to vacate its guests when all is over. */
const patienceMs = 8_000;

/** A fleet that lives fast. Each device is a pool, so that a test can say which guest goes where. */
const settings = {
  cycle: { intervalMs: 50, intervalMsMin: 5 },
  terms: { termMs: 2_900, renewIntervalMs: 500, driftMs: 100 },
  telemetry: { sampleIntervalMs: 250, staleMs: 2_000 },
  forecast: { fitChanceMin: 0, evictionPenaltyMs: 0, resumeIdleMsMin: 50, earlyReturnMs: 0 },
  guest: { startMs: 0, noticeMs, checkpointIntervalMs: 1_000, backoffMsMin: 0 },
  // Each row fails the same devices' guests on purpose, over and over.
  blackHole: { failuresMax: 1_000 },
  recall: { killMarginMs: 200, proofMs: 1_000, holdAfterRecallMs: 0 },
  agent: { reconnectMsMin: 50, reconnectMsMax: 500 },
  ledger: { drainIntervalMs: 250, aliveIntervalMs: 1_000 },
  policies: [{ pool: "*", mode: "lend", idleMsMin: 0, recallDeadlineMs: deadlineMs, pauseBudgetMs: 60_000 }],
};

export function deviceName(index: number): string {
  return `GPU-${index}`;
}

export function poolName(index: number): string {
  return `pool-${index}`;
}

export async function startStack(devices: number, needs: StackNeeds): Promise<FaultStack> {
  await using undo = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "gleaner-faults-"));
  undo.defer(() => rmSync(dir, { recursive: true, force: true }));
  const dirOf = (role: string) => {
    mkdirSync(join(dir, role));
    return join(dir, role);
  };
  const dirs = {
    controller: dirOf("controller"),
    standby: dirOf("standby"),
    agent: dirOf("agent"),
    redis: dirOf("redis"),
  };
  const disk = needs.smallDisk === undefined ? null : SmallDisk.mount(dirs[needs.smallDisk]);
  if (typeof disk === "string") throw new Error(disk);
  if (disk !== null) undo.use(disk);
  const wallClock = needs.wallClock === undefined ? null : new WallClock(dir);
  const envOf = (role: string) => (wallClock !== null && needs.wallClock === role ? wallClock.env : {});

  const socket = join(dirs.redis, "redis.sock");
  const redis = undo.use(redisProcess(dir, dirs.redis, socket, needs.appendfsync ?? "everysec"));
  await redis.start();
  const redisWirePath = join(dir, "redis-wire.sock");
  const redisWire = undo.use(await Relay.open({ path: redisWirePath }, () => ({ path: socket })));

  const [apiAddress, wireAddress, standbyAddress, recallAddress] = [
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
    await freeAddress(),
  ];
  const portOf = (address: string) => ({ host: "127.0.0.1", port: Number(address.split(":")[1]) });
  const agentWire = undo.use(await Relay.open(portOf(wireAddress), () => portOf(apiAddress)));

  writeFileSync(join(dir, "settings.json"), JSON.stringify(settings));
  writeFileSync(join(dir, "idle.csv"), idleTrace(devices));
  const common = ["--config", join(dir, "settings.json"), "--log", "info"];
  const roleProcess = (
    role: "agent" | "controller" | "standby",
    words: readonly string[],
    env: Record<string, string>,
  ) => {
    const command = gleaner([
      role === "standby" ? "controller" : role,
      ...common,
      "--data-dir",
      dirs[role],
      ...words,
    ]);
    const agentDir = join(dirs.agent, "agents", host);
    const [file, ...args] = role === "agent" ? keeperCommand(agentDir, patienceMs, command) : command;
    return new FaultProcess({
      name: role,
      command: file,
      words: args,
      env: { ...env, ...envOf(role) },
      cwd: dir,
      logPath: join(dir, `${role}.log`),
    });
  };
  const https = new Map<FaultProcess, string>();
  const controllerProcess = async (role: "controller" | "standby", api: string, redisUrl: string) => {
    const http = await freeAddress();
    const words = ["--api-address", api, "--http-address", http];
    const process = undo.use(roleProcess(role, words, { REDIS_URL: redisUrl }));
    https.set(process, http);
    return process;
  };
  const controller = await controllerProcess("controller", apiAddress, redisWirePath);
  const standby = needs.standby === true ? await controllerProcess("standby", standbyAddress, socket) : null;
  const controllers = standby === null ? [apiAddress] : [apiAddress, standbyAddress];
  const telemetry = ["--telemetry", `replay:${join(dir, "idle.csv")}`, "--loop"];
  const place = [
    "--controller",
    [wireAddress, ...controllers.slice(1)].join(","),
    "--recall-listen",
    recallAddress,
    "--host",
    "host-a",
    "--no-keeper",
  ];
  const agent = undo.use(roleProcess("agent", [...telemetry, ...place], {}));
  await controller.start();
  await Promise.all([standby?.start(), agent.start()]);
  const clients = connectClients(controllers, { callMsMax: 2_000 });
  undo.defer(() => clients.close());

  const leave = undo.move();
  return {
    dir,
    controller,
    standby,
    agent,
    redis,
    agentWire,
    redisWire,
    disk,
    wallClock,
    clients,
    recallAddresses: { controllers, agent: recallAddress },
    oracle: new Oracle(join(dir, "oracle.jsonl")),
    roles: () => rolesOf(https),
    [Symbol.asyncDispose]: () => leave.disposeAsync(),
  };
}

async function rolesOf(https: ReadonlyMap<FaultProcess, string>): Promise<Roles> {
  for (;;) {
    const said = await Promise.all(
      [...https].map(async ([process, http]) => {
        const ready = await fetch(`http://${http}/readyz`).catch(() => null);
        return { process, leads: ready?.ok === true ? !(await ready.text()).includes("standby") : null };
      }),
    );
    const leader = said.find(({ leads }) => leads === true)?.process;
    const standby = said.find(({ leads }) => leads === false)?.process;
    if (leader !== undefined && standby !== undefined) return { leader, standby };
    await sleep(20);
  }
}

/** Owners who are never there, looked at four times a second. */
function idleTrace(devices: number): string {
  const lines = ["time_s,device,pool,gpu_util_pct,mem_used_mib"];
  for (let tick = 0; tick < 4; tick += 1)
    for (let i = 0; i < devices; i += 1) lines.push(`${tick / 4},${deviceName(i)},${poolName(i)},0,1024`);
  return `${lines.join("\n")}\n`;
}

/** As src/store/redis-server.ts starts it, but for the supervisor: here the test decides when it is back. */
function redisProcess(dir: string, dataDir: string, socket: string, appendfsync: string): FaultProcess {
  const options = {
    port: "0",
    unixsocket: socket,
    dir: dataDir,
    appendonly: "yes",
    appendfsync,
    save: "",
    "maxmemory-policy": "noeviction",
  };
  return new FaultProcess({
    name: "redis",
    // Ends with us, however we end.
    command: "setpriv",
    words: [
      ..."--pdeathsig TERM -- redis-server".split(" "),
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    ],
    env: {},
    cwd: dir,
    logPath: join(dir, "redis.log"),
    ready: () => answers(socket),
  });
}

async function answers(socket: string): Promise<void> {
  for (;;) {
    const client = new Redis(socket, { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
    client.on("error", () => {}); // the rejection below tells the same
    try {
      await client.connect();
      await client.ping();
      return;
    } catch {
      await sleep(20);
    } finally {
      client.disconnect();
    }
  }
}
