import type { Redis } from "ioredis";
import { driverOptions, whenSuitable, type ConnectOptions } from "../../../src/store/connection.ts";
import type { Life } from "../world/process.ts";
import { SimCommand, type Argument } from "./command.ts";
import { commandNames, commandOf } from "./commands.ts";
import { Driver } from "./driver.ts";
import type { RedisLink } from "./link.ts";
import type { SimRedisServer } from "./server.ts";

type Outcome = [error: Error | null, reply: unknown];

/** Commands that are sent together and answered one by one. */
export class SimPipeline {
  readonly #driver: Driver;
  readonly #commands: SimCommand[] = [];

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  get length(): number {
    return this.#commands.length;
  }

  call(name: string, ...args: Argument[]): this {
    this.#commands.push(new SimCommand(name, args, this.#commands.length));
    return this;
  }

  async exec(): Promise<Outcome[]> {
    const outcomes = this.#commands.map(({ promise }) =>
      promise.then(
        (reply): Outcome => [null, reply],
        (error: Error): Outcome => [error, undefined],
      ),
    );
    for (const command of this.#commands) this.#driver.sendCommand(command);
    return Promise.all(outcomes);
  }
}

/** What the production code uses of ioredis' Redis; `asRedis` gives it that type. */
export class SimRedisClient extends Driver {
  get asRedis(): Redis {
    return this as unknown as Redis;
  }

  call(name: string, ...args: Argument[]): Promise<unknown> {
    const command = new SimCommand(name, args);
    this.sendCommand(command);
    return command.promise;
  }

  pipeline(): SimPipeline {
    return new SimPipeline(this);
  }

  /** The model has it by its name, whatever the Lua says: test/integration/sim-redis.test.ts compares the two. */
  defineCommand(name: string): void {
    commandOf(name);
  }

  async quit(): Promise<"OK"> {
    this.disconnect();
    return "OK";
  }
}

/** Each command is a method too. */
for (const name of [...commandNames, "info"])
  for (const { prototype } of [SimRedisClient, SimPipeline])
    Object.defineProperty(prototype, name, {
      value(this: { call(name: string, ...args: Argument[]): unknown }, ...args: Argument[]) {
        return this.call(name, ...args);
      },
    });

/** As `connectRedis` does it, over a link of the world. Throws REDIS_UNREACHABLE and REDIS_UNSUITABLE. */
export function connectSimRedis(
  server: SimRedisServer,
  life: Life,
  link: RedisLink,
  options: ConnectOptions,
): Promise<Redis> {
  const client = new SimRedisClient({ server, life, link, options: driverOptions(options) });
  return whenSuitable(client.asRedis, { ...options, clock: life.clock });
}
