import type { DeviceUuid } from "../core/device.ts";

/** How a device is found when it is looked at. */
export interface Found {
  /** Its owner works on it, or asked for it. */
  readonly isUsed: boolean;
  /** Whether its owner works there can be told. */
  readonly isKnown: boolean;
  /** It was given back a moment ago, and its owner may be on the way. */
  readonly isResting: boolean;
}

/** What has begun since the last look: an owner's stay, one that found a guest, or it turned out that the present one had. */
export type Begun = "taken" | "met" | "had_met" | null;

type Stay = "free" | "taken" | "met";

/**
 * Counts each stay of an owner on a device once, however many signals it has (recall, activity, another guest on a share) and
 * whichever comes first. A stay ends where the device is found free again. Where its begin was not seen, none is counted.
 */
export class OwnerStays {
  /** The stay that lasts, or the lack of one; a device that is not here was not seen. */
  readonly #stays = new Map<DeviceUuid, Stay>();
  /** Since the last look: a guest was made to leave or to stand still, alone or as one of a gang on several devices. */
  readonly #told = new Map<DeviceUuid, "alone" | "gang">();

  tell(devices: readonly DeviceUuid[]): void {
    for (const device of devices) this.#told.set(device, devices.length > 1 ? "gang" : "alone");
  }

  look(device: DeviceUuid, found: Found): Begun {
    const before = this.#stays.get(device);
    const begun = this.#begun(device, before, found);
    const after = stayAfter(before, begun, found);
    if (after === undefined) this.#stays.delete(device);
    else this.#stays.set(device, after);
    return begun;
  }

  /** Nobody asks about it any more. */
  forget(device: DeviceUuid): void {
    this.#stays.delete(device);
    this.#told.delete(device);
  }

  #begun(device: DeviceUuid, before: Stay | undefined, { isUsed, isKnown }: Found): Begun {
    const told = this.#told.get(device);
    this.#told.delete(device);
    // A visit may be over by now. Silence takes a guest away in case, and a gang goes as one: nobody was seen there.
    const isMet = told !== undefined && (isUsed || (isKnown && told === "alone"));
    if (isMet) return before === "met" ? null : before === "taken" ? "had_met" : "met";
    return isUsed && before === "free" ? "taken" : null;
  }
}

function stayAfter(before: Stay | undefined, begun: Begun, found: Found): Stay | undefined {
  const { isUsed, isKnown, isResting } = found;
  const hasMet = before === "met" || begun === "met" || begun === "had_met";
  if (isUsed) return hasMet ? "met" : "taken";
  if (!isKnown) return undefined;
  return isResting ? (hasMet ? "met" : before) : "free";
}
