/** Who campaigns for the lead. */
export interface Candidate {
  /** The same for a controller that was started again, and nobody else's. */
  readonly holder: string;
  /** Where others reach it. */
  readonly address: string;
  readonly lockMs: number;
}

/** Another leads. */
export interface HeldLead {
  /** Its address. */
  readonly heldBy: string;
  /** Until its lock expires, unless it is held for longer. */
  readonly leftMs: number;
}

export interface Lead {
  readonly epoch: number;
  /** Tells it from another leader of the same epoch. */
  readonly nonce: string;
  readonly generation: number;
  /** Of the last token that was given. */
  readonly number: number;
  /** Aborts, with LEADERSHIP_LOST as its reason, at the first answer by which the books refuse this leader. */
  readonly lost: AbortSignal;
}
