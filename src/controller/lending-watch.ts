import type { LeaseStep } from "../api/convert/lease.ts";
import type { Settings } from "../config/settings.ts";
import type { DeviceUuid } from "../core/device.ts";
import { CostsMeter } from "../core/forecast/costs-meter.ts";
import type { LendingTerms } from "../core/forecast/device-lending.ts";
import type { Settlement } from "../core/ledger-event.ts";
import { isLendWindowOpen } from "../core/policy-window.ts";
import { isLive, type Lease } from "../core/lease.ts";
import type { Clock } from "../runtime/clock.ts";
import { weekMinuteIn } from "../runtime/local-time.ts";
import type { Fleet, LiveLease } from "./fleet.ts";
import { believedCosts, lendingTerms } from "./lending-terms.ts";
import type { LiveGuests } from "./live-guests.ts";
import { isByOwner, isMeeting } from "./meeting.ts";
import type { LendingRules, OwnerForecast } from "./owner-forecast.ts";
import type { OwnerSignals } from "./owner-signals.ts";

interface LendingWatchParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly guests: LiveGuests;
  readonly forecast: OwnerForecast;
  readonly settings: Settings;
  readonly clock: Clock;
}

/** By what terms pools lend: as their owners' policies say, and as live guests show it to cost. */
export class LendingWatch implements LendingRules {
  readonly #parts: LendingWatchParts;
  readonly #costs: CostsMeter;

  constructor(parts: LendingWatchParts) {
    this.#parts = parts;
    this.#costs = new CostsMeter(believedCosts(parts.settings));
  }

  termsOf(pool: string): LendingTerms {
    const { signals, settings, clock } = this.#parts;
    const policy = signals.policyOf(pool);
    const terms = lendingTerms(policy, this.#costs.costs, settings);
    const leftMs = clock.wallMs() + terms.endS * 1_000;
    const isOpen = isLendWindowOpen(policy.windows, (timeZone) => weekMinuteIn(timeZone, leftMs));
    return { ...terms, keptFree: !isOpen };
  }

  mayLend(uuid: DeviceUuid): boolean {
    const { fleet, signals } = this.#parts;
    const device = fleet.devices.get(uuid);
    if (device === undefined || device.quarantine !== null || device.recalls.size > 0) return false;
    return signals.policyOf(device.info.pool).mode === "lend" && signals.standsAgainst(device.info) === null;
  }

  /** Called for every step: what guests cost, and what owners' returns did to them. */
  stepped(live: LiveLease, before: Lease, step: LeaseStep, settlement: Settlement | null): void {
    const { forecast } = this.#parts;
    const stays = step.state === "running" || step.state === "paused";
    if (isMeeting(before, step.mover)) {
      live.met = true;
      this.#each(before, (pool) => forecast.met(pool));
    }
    // Also when the pause that the owner began has lasted too long.
    if (live.met && !stays) {
      live.met = false;
      this.#each(before, (pool) => forecast.evicted(pool));
    }
    if (step.state === "running") live.met = false;
    if (before.state === "starting" && step.state === "running") this.#started(before, step);
    if (settlement === null || !isLive(before.state)) return;
    if (settlement.vacateMs !== null) this.#costs.saw("vacateS", settlement.vacateMs / 1_000);
    if (settlement.outcome === "evicted" && (isByOwner(step.mover) || step.mover === "budget"))
      this.#costs.saw("evictedS", settlement.lostMs / 1_000);
  }

  #started({ guestId, lentAtMs }: Lease, { atMs }: LeaseStep): void {
    const { guests, clock } = this.#parts;
    const startMs = guests.specOf(guestId)?.startMs ?? 0;
    const launchMs = clock.wallMs() - (clock.monotonicMs() - atMs) - lentAtMs;
    this.#costs.saw("startS", (launchMs + startMs) / 1_000);
  }

  #each({ grants }: Lease, tell: (pool: string) => void): void {
    for (const { device } of grants) {
      const pool = this.#parts.fleet.devices.get(device)?.info.pool;
      if (pool !== undefined) tell(pool);
    }
  }
}
