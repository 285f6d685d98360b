import type { Desks } from "../../../src/api/server.ts";
import type { LeaseRecord } from "../../../src/agent/disk/lease-record.ts";
import { NodeAgent } from "../../../src/agent/node-agent.ts";
import type { Settings } from "../../../src/config/settings.ts";
import { runController, type RunningController } from "../../../src/controller/controller.ts";
import type { DeviceInfo } from "../../../src/core/device.ts";
import type { LeaseState } from "../../../src/core/lease.ts";
import type { RecallDesk } from "../../../src/api/ports.ts";
import type { Logger } from "../../../src/runtime/log.ts";
import { keeperOf } from "../faults.ts";
import { SimRedisServer } from "../redis/server.ts";
import { agentMachine } from "./agent-machine.ts";
import { agentStream } from "./agent-stream.ts";
import { BooksFile } from "./books.ts";
import { controllerSurroundings } from "./controller-surroundings.ts";
import { Files } from "./disk.ts";
import { type Checkpoint, Kernel, type Program, type Witness } from "./guests.ts";
import { Host } from "./host.ts";
import { keep } from "./keeper.ts";
import { Network } from "./network.ts";
import { Life } from "./process.ts";
import type { Random } from "./random.ts";
import type { Cancel, Scheduler } from "./scheduler.ts";
import { telemetryOf } from "./telemetry.ts";

/** How long whoever looks after a process takes to start it again. Ms of the world. */
const restartMs = 500;
/** Agents are not all there at once. Ms of the world. */
const startsWithinMs = 50;

export interface WorldPlan {
  readonly settings: Settings;
  readonly controllers: number;
  readonly hosts: readonly { readonly name: string; readonly devices: readonly DeviceInfo[] }[];
  readonly sharesCheckpoints: boolean;
}

export interface WorldParts {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly plan: WorldPlan;
  readonly witness: Witness;
  readonly log: Logger;
  readonly utilPct: (device: DeviceInfo) => number | null;
  /** An agent has read a sample. */
  readonly read: (device: string, utilPct: number) => void;
  readonly programOf: (command: readonly string[]) => Program;
  /** A process ended by itself, for good or ill. */
  readonly fell: (name: string, error: unknown) => void;
}

const epochMs = Date.UTC(2026, 0, 1);

/** Every machine and process of one run, wired as in production. */
export class World {
  readonly network: Network;
  readonly redis: SimRedisServer;
  readonly controllers: ControllerProcess[];
  readonly agents: AgentProcess[];
  readonly outside: Life;
  readonly #scheduler: Scheduler;
  readonly #random: Random;

  constructor(parts: WorldParts) {
    const { scheduler, random, plan } = parts;
    this.#scheduler = scheduler;
    this.#random = random.fork("start");
    this.network = new Network(scheduler, random.fork("network"), { delayMs: 1, breaks: 0 });
    this.redis = new SimRedisServer({ host: new Host("redis", scheduler, epochMs), scheduler });
    this.outside = new Life(new Host("outside", scheduler, epochMs), scheduler);
    this.controllers = Array.from(
      { length: plan.controllers },
      (_, i) => new ControllerProcess(`controller-${i}`, parts, this),
    );
    const shared = new Map<string, Checkpoint>();
    this.agents = plan.hosts.map(
      ({ name, devices }) =>
        new AgentProcess(
          name,
          devices,
          parts,
          this,
          plan.sharesCheckpoints ? shared : new Map<string, Checkpoint>(),
        ),
    );
  }

  start(): void {
    for (const controller of this.controllers) controller.start();
    // Some before a controller leads, some after, some while it begins to.
    for (const agent of this.agents)
      this.#scheduler.after(this.#random.between(0, startsWithinMs), () => agent.start());
  }

  /** Nobody lives on, or what they wait for would be kept for ever. */
  end(): void {
    for (const process of [...this.controllers, ...this.agents, ...this.agents.map(({ keeper }) => keeper)])
      process.kill();
    this.outside.kill();
  }
}

/** What a fault can strike. */
export interface Struck {
  readonly name: string;
  readonly host: Host;
  readonly life: Life | null;
  start(): void;
  kill(): void;
}

/** A process that somebody starts again whenever it ends. */
abstract class Supervised implements Struck {
  readonly name: string;
  readonly host: Host;
  readonly parts: WorldParts;
  life: Life | null = null;
  /** How often it was started. */
  starts = 0;

  constructor(name: string, parts: WorldParts) {
    this.name = name;
    this.parts = parts;
    this.host = new Host(name, parts.scheduler, epochMs);
  }

  get isUp(): boolean {
    return this.life !== null;
  }

  start(): void {
    if (this.life !== null) return;
    this.starts += 1;
    const life = new Life(this.host, this.parts.scheduler);
    this.life = life;
    this.main(life).catch((error: unknown) => {
      if (life.isDead) return;
      this.parts.fell(this.name, error);
      this.kill();
      this.parts.scheduler.after(restartMs, () => this.start());
    });
  }

  kill(): void {
    this.life?.kill();
    this.life = null;
  }

  protected abstract main(life: Life): Promise<void>;
}

export class ControllerProcess extends Supervised {
  readonly books: BooksFile;
  desks: Desks | null = null;
  running: RunningController | null = null;
  readonly #world: World;

  constructor(name: string, parts: WorldParts, world: World) {
    super(name, parts);
    this.#world = world;
    this.books = new BooksFile(name);
  }

  override kill(): void {
    super.kill();
    this.desks = null;
    this.running = null;
  }

  protected async main(life: Life): Promise<void> {
    const { plan, random, log } = this.parts;
    const surroundings = controllerSurroundings({
      life,
      network: this.#world.network,
      redis: this.#world.redis,
      booksFile: this.books,
      random: random.fork(`${this.name} ${this.starts}`),
      settings: plan.settings,
      log,
      serve: (desks) => {
        this.desks = desks;
        return {
          address: this.name,
          close: () => {
            this.desks = null;
          },
        };
      },
    });
    const running = await runController({ settings: plan.settings, logger: log }, surroundings);
    this.running = running;
    await new Promise<void>((resolve) => {
      if (running.lost.aborted) resolve();
      else running.lost.addEventListener("abort", () => resolve(), { once: true });
    });
    await running.stop();
    throw running.lost.reason;
  }
}

function stateOf(record: string): LeaseState {
  return (JSON.parse(record) as LeaseRecord).ladder.state;
}

/** That it starts an agent again is left to the plan, which says when. */
export class KeeperProcess implements Struck {
  readonly name: string;
  readonly host: Host;
  life: Life | null = null;
  readonly #agent: AgentProcess;

  constructor(agent: AgentProcess) {
    this.#agent = agent;
    this.name = keeperOf(agent.name);
    this.host = agent.host;
  }

  start(): void {
    if (this.life !== null) return;
    const { name, host, parts, files, kernel } = this.#agent;
    this.life = new Life(host, parts.scheduler);
    void keep(this.life, `/${name}`, files, kernel);
  }

  kill(): void {
    this.life?.kill();
    this.life = null;
  }
}

export class AgentProcess extends Supervised {
  readonly kernel: Kernel;
  readonly files = new Files();
  readonly devices: readonly DeviceInfo[];
  readonly keeper: KeeperProcess;
  desk: RecallDesk | null = null;
  readonly #world: World;

  constructor(
    name: string,
    devices: readonly DeviceInfo[],
    parts: WorldParts,
    world: World,
    checkpoints: Map<string, Checkpoint>,
  ) {
    super(name, parts);
    this.devices = devices;
    this.#world = world;
    this.kernel = new Kernel(
      this.host,
      parts.scheduler,
      parts.random.fork(`${name} kernel`),
      parts.witness,
      checkpoints,
    );
    this.keeper = new KeeperProcess(this);
  }

  override start(): void {
    super.start();
    this.keeper.start();
  }

  override kill(): void {
    super.kill();
    this.desk = null;
  }

  /** As its disk has them. */
  leaseStates(): LeaseState[] {
    const guests = `/${this.name}/guests`;
    return this.files.list(guests).flatMap((guest) =>
      this.files.list(`${guests}/${guest}`).flatMap((attempt) => {
        const text = this.files.read(`${guests}/${guest}/${attempt}/state.json`);
        const state = text === null ? "released" : stateOf(text);
        return state === "released" ? [] : [state];
      }),
    );
  }

  /** Once, when its disk says that a lease has entered the state. */
  onceEntered(state: LeaseState, entered: () => void): Cancel {
    const look = (file: string, text: string) => {
      if (!file.endsWith("/state.json") || stateOf(text) !== state) return;
      off();
      entered();
    };
    const off = () => this.files.onlookers.delete(look);
    this.files.onlookers.add(look);
    return off;
  }

  /** The machine falls and comes back. */
  reboot(): void {
    this.kill();
    this.keeper.kill();
    this.kernel.reboot();
    this.files.lose();
    this.host.reboot();
  }

  protected async main(life: Life): Promise<void> {
    const { plan, random, log, utilPct, read, programOf } = this.parts;
    const { network, controllers } = this.#world;
    const own = random.fork(`${this.name} ${this.starts}`);
    const machine = agentMachine({
      life,
      kernel: this.kernel,
      files: this.files,
      random: own,
      programOf,
      connect: (address) => ({
        agents: agentStream(network, life, () => controllers.find(({ name }) => name === address)),
        close: () => {},
      }),
    });
    const { sampleIntervalMs } = plan.settings.telemetry;
    const agent = new NodeAgent(
      {
        agentId: this.name,
        host: this.name,
        dataDir: `/${this.name}`,
        controllerAddress: controllers.map(({ name }) => name),
        recallListen: null,
        source: telemetryOf(this.devices, life, sampleIntervalMs, utilPct, read),
        settings: plan.settings,
        logger: log,
      },
      machine,
    );
    await agent.adopt();
    this.desk = agent.desk;
    agent.run("");
    await new Promise<never>(() => {});
  }
}
