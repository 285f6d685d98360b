/**
 * Every word with which a decision of the matcher is explained: why a device is lent or not, why a guest waits.
 * `docs/reasons.md` lists them; a test keeps the two the same.
 */

/** About a device, in the order in which they are asked: the first that holds is the reason. */
const deviceReasons = {
  owner_busy: "The owner is working on the device.",
  owner_unknown: "Telemetry does not tell whether the owner is working, so the device counts as busy.",
  quarantined: "The device is quarantined: its last hand-back was not proven, or guests keep failing on it.",
  agent_away: "The agent of the device's host is not connected.",
  held: "A hold forbids lending the device.",
  hinted: "The owner has announced work with a Busy hint.",
  cool_down:
    "The device was given back a short while ago: it rests, or its memory has not been seen to be free yet.",
  no_policy: "No policy is known for the device's pool.",
  observe_mode: "The pool is in observe mode: forecast and report, lend nothing.",
  window_closed: "The pool lends at certain times of the week only, and now is none of them.",
  meetings_max: "Returns to the pool have met guests as often as its policy allows.",
  idle_too_short: "The device has not been idle for as long as its pool's policy asks.",
  breaker: "Owners came back early after recent loans, so a longer idle time is asked of the device for now.",
  no_forecast: "There is no forecast for the device yet.",
  owner_may_return: "The owner's return is too likely right now; the risk falls while the device stays idle.",
  lent: "The device is lent as a whole.",
  fragment: "The device is lent in part, and no waiting guest may take the rest.",
  lent_share_max: "As much of the pool is lent as its policy allows.",
  reserve:
    "The rest of the pool's idle devices is kept free for its owner, who sets how often a guest may be met.",
  lends_max: "The cycle had lent as many guests as one cycle may; the next one goes on.",
  no_guests: "No guest waits.",
  no_fit: "Guests wait, but none that the device fits.",
} as const;

/** About a device that might be lent, as one particular guest sees it. */
const guestReasons = {
  other_pool: "The guest does not name the device's pool.",
  other_model: "The guest asks for another device model.",
  memory_unknown:
    "The device's free memory is not known; it is lent only whole, to guests that state no memory.",
  memory_short: "Too little device memory is left beside the owner's and the reserve.",
  other_trust_group: "Guests of another trust group share the device.",
  share_taken: "Too little of the device is left beside the guests on it.",
  host_too_full: "Too few devices of the host and pool are free for the whole gang.",
  window_too_short:
    "The guest's start, its checkpoint interval and its notice do not fit before the owner's return with enough chance.",
  window_not_worth_it: "The start and a likely eviction would cost more than the window gives.",
  notice_too_long:
    "The notice is too long for the pool's deadline: an agent that is cut off could not keep it, since term, kill margin and drift come on top.",
  fits: "The window fits the guest, and is worth more than waiting.",
  fills_shared: "The window fits, and the device is shared by guests of the same trust group already.",
} as const;

/** About a guest as a whole. */
const waitReasons = {
  no_such_device: "No device of the fleet has the shape that the guest asks for.",
  no_device_fits: "No device that fits is free for the guest.",
  not_before: "The guest is not to be started yet.",
  backoff: "The guest was evicted or failed a moment ago and waits before its next attempt.",
  behind_in_lane: "Guests of the same tenant and shape are before it.",
  next_cycle: "No decision has considered the guest since it began to wait; the next one does.",
} as const;

export const reasons = { ...deviceReasons, ...guestReasons, ...waitReasons } as const;

export type ReasonCode = keyof typeof reasons;

/** Place in this list is the number by which decisions name a reason; 0 is no reason. */
export const reasonCodes: readonly (ReasonCode | null)[] = [null, ...(Object.keys(reasons) as ReasonCode[])];

const numbers = new Map(reasonCodes.map((code, number) => [code, number]));

export function reasonNumber(code: ReasonCode): number {
  return numbers.get(code) ?? 0;
}
