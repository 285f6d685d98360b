/** Since the device was last free of its owner: nothing, or the owner is there and found no guest, or one. */
export type OwnerStay = "none" | "taken" | "met";

/** `came`: the owner is at work where nobody's guest is. `met`: a guest had to go or to stand still for them. `left`: they are gone, or a guest works there. */
export type StaySignal = "came" | "met" | "left";

/** Counted once for each stay: that it was, and that it found a guest. */
export type StayCount = "returns" | "met_returns";

/** However many signals a stay has, and whichever comes first. */
export function nextStay(
  stay: OwnerStay,
  signal: StaySignal,
): { readonly stay: OwnerStay; readonly counts: readonly StayCount[] } {
  if (signal === "left") return { stay: "none", counts: [] };
  const counts: StayCount[] = stay === "none" ? ["returns"] : [];
  if (signal === "met" && stay !== "met") counts.push("met_returns");
  return { stay: signal === "met" ? "met" : stay === "none" ? "taken" : stay, counts };
}
