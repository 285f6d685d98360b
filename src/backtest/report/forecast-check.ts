import { horizonsMs } from "../../core/forecast/horizons.ts";
import type { DeviceMoment, DevicePolicy } from "../policy.ts";
import { ReliabilityCounts, type Reliability } from "./reliability.ts";
import { SurvivalCheck, type SurvivalStratum } from "./survival-check.ts";

const horizonsS = horizonsMs.map((horizonMs) => horizonMs / 1_000);
const longest = horizonsS.length - 1;

/** What a policy's forecast said of owners' returns, held against what came. */
export interface ForecastFigures {
  readonly reliability: readonly Reliability[];
  readonly survival: readonly SurvivalStratum[];
}

interface Question {
  readonly askedS: number;
  readonly dueS: number;
  /** P(the owner is back until then). */
  readonly said: number;
  readonly stratum: number;
  returned: boolean;
}

interface Asked {
  lastS: number;
  readonly open: (Question | null)[];
}

/**
 * Asks a policy's forecast about each idle device, and waits for what comes. One question of a device is under way for each
 * horizon, and is answered when it is due and not before: so no stretch of time counts twice, and short windows count no
 * more than long ones. What is lost from sight answers nothing.
 */
export class ForecastCheck {
  readonly #holdS: number;
  readonly #counts = horizonsS.map(() => new ReliabilityCounts());
  readonly #survival = new SurvivalCheck();
  readonly #devices = new Map<string, Asked>();

  constructor(holdS: number) {
    this.#holdS = holdS;
  }

  /** The same policy, asked after each of its decisions. */
  watch(policy: DevicePolicy): DevicePolicy {
    return {
      decide: (moment) => {
        this.#answer(moment);
        const actions = [...policy.decide(moment)];
        this.#ask(moment, policy);
        return actions;
      },
      get wakeAtS() {
        return policy.wakeAtS ?? Infinity;
      },
    };
  }

  /** null: the policy has said nothing. */
  finish(): ForecastFigures | null {
    for (const asked of this.#devices.values()) this.#lose(asked);
    const reliability = this.#counts.map((counts, index) => counts.figures(horizonsS[index]!));
    if (reliability.every(({ count }) => count === 0)) return null;
    return { reliability, survival: this.#survival.figures() };
  }

  #answer({ timeS, samples }: DeviceMoment): void {
    for (const { device, owner } of samples) {
      const asked = this.#devices.get(device);
      if (asked === undefined) continue;
      if (owner === "unknown" || timeS - asked.lastS > this.#holdS) this.#lose(asked);
      asked.lastS = timeS;
      for (const [index, question] of asked.open.entries()) {
        if (question === null) continue;
        if (owner === "busy" && timeS <= question.dueS && !question.returned) {
          question.returned = true;
          if (index === longest) this.#survival.returned(question.stratum, timeS - question.askedS);
        }
        if (timeS < question.dueS) continue;
        this.#counts[index]!.add(question.said, question.returned);
        asked.open[index] = null;
      }
    }
  }

  #ask({ timeS, samples }: DeviceMoment, policy: DevicePolicy): void {
    for (const { device, owner } of samples) {
      if (owner !== "idle") continue;
      let asked = this.#devices.get(device);
      if (asked === undefined)
        this.#devices.set(device, (asked = { lastS: timeS, open: horizonsS.map(() => null) }));
      if (!asked.open.includes(null)) continue;
      const curve = policy.curve?.(device, timeS) ?? null;
      if (curve === null) continue;
      for (const [index, horizonS] of horizonsS.entries())
        asked.open[index] ??= {
          askedS: timeS,
          dueS: timeS + horizonS,
          said: 1 - curve.survivalAt(horizonS * 1_000),
          stratum: index === longest ? this.#survival.ask(curve) : 0,
          returned: false,
        };
    }
  }

  #lose(asked: Asked): void {
    const question = asked.open[longest]!;
    if (question !== null && !question.returned)
      this.#survival.lost(question.stratum, asked.lastS - question.askedS);
    asked.open.fill(null);
  }
}
