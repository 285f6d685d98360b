import type { Target } from "../harness/bench.ts";

/** By metric. */
export type Figures = Record<string, number>;

/** Some of the bench's figures, from the trace that they need; null: from none. */
export interface Section {
  readonly trace: string | null;
  readonly targets: Readonly<Record<string, Target>>;
  measure(trace: string): Promise<Figures>;
}

/** A realised rate lies so near the one that was set. */
export const held: Target = { max: 0.1 };

/** 0.1 is 10 % too much, or too little. */
export function offBy(realised: number, set: number): number {
  return Math.abs(realised / set - 1);
}
