import type { DeviceUuid } from "../core/device.ts";
import { nextStay, type OwnerStay, type StayCount } from "../core/owner-stay.ts";

/** How a device is found when it is looked at. */
export interface Found {
  /** Its owner works on it, or asked for it. */
  readonly isUsed: boolean;
  /** Whether its owner works there can be told. */
  readonly isKnown: boolean;
  /** It was given back a moment ago, and its owner may be on the way. */
  readonly isResting: boolean;
}

/**
 * Counts each stay of an owner on a device once, however many signals it has (recall, activity, another guest on a share) and
 * whichever comes first. A stay ends where the device is found free again. Where its begin was not seen, none is counted.
 */
export class OwnerStays {
  /** The stay that lasts, or the lack of one; a device that is not here was not seen. */
  readonly #stays = new Map<DeviceUuid, OwnerStay>();
  /** Since the last look: a guest was made to leave or to stand still, alone or as one of a gang on several devices. */
  readonly #told = new Map<DeviceUuid, "alone" | "gang">();

  tell(devices: readonly DeviceUuid[]): void {
    for (const device of devices) this.#told.set(device, devices.length > 1 ? "gang" : "alone");
  }

  /** -> what is to be counted since the last look. */
  look(device: DeviceUuid, found: Found): readonly StayCount[] {
    const before = this.#stays.get(device);
    const { stay, counts } = afterSignal(before, this.#signal(device, found));
    const after = stayAfter(stay, found);
    if (after === undefined) this.#stays.delete(device);
    else this.#stays.set(device, after);
    return counts;
  }

  /** Nobody asks about it any more. */
  forget(device: DeviceUuid): void {
    this.#stays.delete(device);
    this.#told.delete(device);
  }

  #signal(device: DeviceUuid, { isUsed, isKnown }: Found): "met" | "came" | null {
    const told = this.#told.get(device);
    this.#told.delete(device);
    // A visit may be over by now. Silence takes a guest away in case, and a gang goes as one: nobody was seen there.
    if (told !== undefined && (isUsed || (isKnown && told === "alone"))) return "met";
    return isUsed ? "came" : null;
  }
}

function afterSignal(
  before: OwnerStay | undefined,
  signal: "met" | "came" | null,
): { readonly stay: OwnerStay | undefined; readonly counts: readonly StayCount[] } {
  if (signal === null) return { stay: before, counts: [] };
  // Whoever is there at the first look came nobody knows when.
  if (signal === "came" && before === undefined) return { stay: "taken", counts: [] };
  return nextStay(before ?? "none", signal);
}

function stayAfter(
  stay: OwnerStay | undefined,
  { isUsed, isKnown, isResting }: Found,
): OwnerStay | undefined {
  if (isUsed) return stay;
  if (!isKnown) return undefined;
  return isResting ? stay : "none";
}
