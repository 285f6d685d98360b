import type { AgentPolicy } from "../api/convert/policy.ts";
import { defaults } from "../config/defaults.ts";
import type { Settings } from "../config/settings.ts";
import type { DeviceUuid } from "../core/device.ts";
import type { LadderRules } from "../core/ladder-state.ts";
import type { Rung } from "../core/policy.ts";
import type { Devices } from "./devices.ts";

const rungsMildestFirst: readonly Rung[] = ["pause", "vacate", "kill"];

/** The rules of the pools that this host's devices belong to: the controller's, or until it told any, the settings'. */
export class Pools {
  readonly #devices: Devices;
  readonly #settings: Settings;
  readonly #told = new Map<string, AgentPolicy>();

  constructor(devices: Devices, settings: Settings) {
    this.#devices = devices;
    this.#settings = settings;
  }

  tell(policy: AgentPolicy): void {
    this.#told.set(policy.pool, policy);
  }

  policyOf(pool: string): AgentPolicy {
    const { policies } = this.#settings;
    const set =
      policies.find((policy) => policy.pool === pool) ?? policies.find((policy) => policy.pool === "*");
    return this.#told.get(pool) ?? { ...defaults.policy, ...set, pool };
  }

  policyOfDevice(uuid: DeviceUuid): AgentPolicy {
    return this.policyOf(this.#devices.get(uuid)?.pool ?? "");
  }

  /** Of several pools the strictest word counts. */
  rulesFor(devices: readonly DeviceUuid[], noticeMs: number): LadderRules {
    const policies = devices.map((uuid) => this.policyOfDevice(uuid));
    const { recall, terms } = this.#settings;
    return {
      recallDeadlineMs: Math.min(...policies.map((policy) => policy.recallDeadlineMs)),
      pauseBudgetMs: Math.min(...policies.map((policy) => policy.pauseBudgetMs)),
      firstRung: this.#firstRung(devices),
      vacateFromPause: policies.some((policy) => policy.vacateFromPause === "kill") ? "kill" : "thaw",
      noticeMs,
      killMarginMs: recall.killMarginMs,
      driftMs: terms.driftMs,
      proofMs: recall.proofMs,
    };
  }

  #firstRung(devices: readonly DeviceUuid[]): Rung {
    const rungs = devices.map((uuid) => rungsMildestFirst.indexOf(this.policyOfDevice(uuid).firstRung));
    return rungsMildestFirst[Math.max(...rungs)] ?? "pause";
  }
}
