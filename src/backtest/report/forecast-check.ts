import { Calibrations, type Calibration } from "../../core/forecast/calibration.ts";
import { horizonsMs, Questions } from "../../core/forecast/questions.ts";
import type { DeviceMoment, DevicePolicy } from "../policy.ts";
import { ReliabilityBins, type ReliabilityBin } from "./reliability.ts";
import { SurvivalCheck, type SurvivalStratum } from "./survival-check.ts";

const longest = horizonsMs.length - 1;

/** What a policy's forecast said of owners' returns, held against what came. */
export interface ForecastFigures {
  readonly reliability: readonly Reliability[];
  readonly survival: readonly SurvivalStratum[];
}

export interface Reliability extends Omit<Calibration, "horizonMs"> {
  readonly horizonS: number;
  readonly bins: readonly ReliabilityBin[];
}

/** Asks a policy's forecast about each idle device, as production does, and waits for what comes. */
export class ForecastCheck {
  readonly #calibrations = new Calibrations(Infinity);
  readonly #bins = horizonsMs.map(() => new ReliabilityBins());
  readonly #survival = new SurvivalCheck();
  readonly #slots = new Map<string, number>();
  readonly #questions: Questions<Float64Array>;

  constructor(holdS: number) {
    const chanceOf = (slot: number, horizon: number) => this.#questions.known(slot, horizon, chance);
    const stratumOf = (slot: number) => this.#questions.known(slot, longest, stratum);
    this.#questions = new Questions(holdS * 1_000, 2, Float64Array, {
      answered: (slot, horizon, came, atMs) => {
        const said = chanceOf(slot, horizon);
        this.#calibrations.add(horizon, said, came, atMs);
        this.#bins[horizon]!.add(said, came);
      },
      returned: (slot, horizon, afterMs) => {
        if (horizon === longest) this.#survival.returned(stratumOf(slot), afterMs / 1_000);
      },
      lost: (slot, horizon, afterMs) => {
        if (horizon === longest) this.#survival.lost(stratumOf(slot), afterMs / 1_000);
      },
    });
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
      curve: (device, timeS) => policy.curve?.(device, timeS) ?? null,
    };
  }

  /** null: the policy has said nothing. */
  finish(): ForecastFigures | null {
    for (const slot of this.#slots.values()) this.#questions.lose(slot);
    const reliability = this.#calibrations
      .figures()
      .map(({ horizonMs, count, said, came, brier, interval }, horizon) => ({
        horizonS: horizonMs / 1_000,
        count,
        said,
        came,
        brier,
        interval,
        bins: this.#bins[horizon]!.figures(),
      }));
    if (reliability.every(({ count }) => count === 0)) return null;
    return { reliability, survival: this.#survival.figures() };
  }

  #answer({ timeS, samples }: DeviceMoment): void {
    for (const { device, owner } of samples)
      this.#questions.observe(this.#slotOf(device), timeS * 1_000, owner);
  }

  #ask({ timeS, samples }: DeviceMoment, policy: DevicePolicy): void {
    for (const { device, owner } of samples) {
      const slot = this.#slotOf(device);
      if (owner !== "idle" || !this.#questions.areDue(slot)) continue;
      const curve = policy.curve?.(device, timeS) ?? null;
      if (curve === null) continue;
      this.#questions.ask(slot, timeS * 1_000, (horizon, known, begin) => {
        known[begin + chance] = 1 - curve.survivalAt(horizonsMs[horizon]!);
        if (horizon === longest) known[begin + stratum] = this.#survival.ask(curve);
      });
    }
  }

  #slotOf(device: string): number {
    let slot = this.#slots.get(device);
    if (slot === undefined) {
      slot = this.#slots.size;
      this.#slots.set(device, slot);
      this.#questions.open(slot);
    }
    return slot;
  }
}

/** What is known of a question. */
const chance = 0;
const stratum = 1;
