import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Settings } from "../config/settings.ts";
import { fixedAddress } from "./fixed-address.ts";
import { SupervisedChild } from "./supervisor.ts";

export interface ControllerPlace {
  /** For people, and of its process. */
  readonly name: string;
  readonly apiAddress: string;
  readonly httpAddress: string;
  readonly dataDir: string;
}

const patienceMs = 15_000;
const lookIntervalMs = 1_000;
const answerMsMax = 2_000;

/** The first where the settings say; the others beside it, on free ports, with books of their own. */
export async function placeControllers(
  { listen, dataDir }: Pick<Settings, "listen" | "dataDir">,
  count: number,
): Promise<[ControllerPlace, ...ControllerPlace[]]> {
  const [apiAddress, httpAddress] = [
    await fixedAddress(listen.apiAddress),
    await fixedAddress(listen.httpAddress),
  ];
  const first = { name: count === 1 ? "controller" : "controller-1", apiAddress, httpAddress, dataDir };
  const others: ControllerPlace[] = [];
  for (let number = 2; number <= count; number += 1) {
    const name = `controller-${number}`;
    others.push({
      name,
      apiAddress: await fixedAddress(anyPort(apiAddress)),
      httpAddress: await fixedAddress(anyPort(httpAddress)),
      dataDir: join(dataDir, name),
    });
  }
  return [first, ...others];
}

function anyPort(address: string): string {
  return address.replace(/\d+$/, "0");
}

/** The controllers of `gleaner up`: one leads, the others stand by. */
export class LocalControllers {
  readonly #places: readonly ControllerPlace[];
  readonly #say: (line: string) => void;
  readonly #children: SupervisedChild[] = [];
  readonly #stopping = new AbortController();
  #watch: Promise<void> = Promise.resolve();
  #leader: string | null = null;

  constructor(places: readonly ControllerPlace[], say: (line: string) => void) {
    this.#places = places;
    this.#say = say;
  }

  get children(): readonly SupervisedChild[] {
    return this.#children;
  }

  /** The name of the one that leads, as far as is known. */
  get leader(): string | null {
    return this.#leader;
  }

  /** One after the other, so that the first leads. `words`: of all of them. Throws CHILD_FAILED. */
  async start(words: readonly string[], logDir: string): Promise<void> {
    for (const { name, apiAddress, httpAddress, dataDir } of this.#places) {
      const own = ["--data-dir", dataDir, "--api-address", apiAddress, "--http-address", httpAddress];
      const child = new SupervisedChild({
        name,
        words: ["controller", ...words, ...own],
        logPath: join(logDir, `${name}.log`),
        say: this.#say,
      });
      this.#children.push(child);
      await child.start();
    }
    this.#leader = await leaderAmong(this.#places);
    if (this.#places.length > 1) this.#watch = this.#sayWhoLeads();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watch;
    await Promise.all(this.#children.map((child) => child.stop(patienceMs)));
  }

  async #sayWhoLeads(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(lookIntervalMs, undefined, { signal }).catch(() => {});
      const leader = signal.aborted ? null : await leaderAmong(this.#places);
      if (leader === null || leader === this.#leader) continue;
      this.#leader = leader;
      this.#say(`${leader} leads now`);
    }
  }
}

/** null: nobody says that it does. */
async function leaderAmong(places: readonly ControllerPlace[]): Promise<string | null> {
  const leads = await Promise.all(places.map(({ httpAddress }) => saysItLeads(httpAddress)));
  return places.find((_, index) => leads[index])?.name ?? null;
}

async function saysItLeads(httpAddress: string): Promise<boolean> {
  try {
    const ready = await fetch(`http://${httpAddress}/readyz`, { signal: AbortSignal.timeout(answerMsMax) });
    return ready.ok && !(await ready.text()).includes("standby");
  } catch {
    // One that does not answer is about to be started again.
    return false;
  }
}
