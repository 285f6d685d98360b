import { GleanerError } from "../../errors/gleaner-error.ts";

/** A one-to-one map between a word of the core and an enum of the wire. Unspecified and unknown values have no word. */
export interface WordMap<Core extends string, Wire extends string> {
  toWire(word: Core): Wire;
  /** Throws INVALID_FIELD, naming the field, for a value that has no word. */
  fromWire(value: Wire, field: string): Core;
  /** null for the unspecified value; throws INVALID_FIELD for one that this version does not know. */
  fromOptional(value: Wire, field: string): Core | null;
}

export function wordMap<Core extends string, Wire extends string>(
  wireOf: Readonly<Record<Core, Wire>>,
): WordMap<Core, Wire> {
  const coreOf = new Map<Wire, Core>();
  for (const word of Object.keys(wireOf) as Core[]) coreOf.set(wireOf[word], word);
  const fromOptional = (value: Wire, field: string): Core | null => {
    const word = coreOf.get(value);
    if (word !== undefined) return word;
    if (value.endsWith("_UNSPECIFIED")) return null;
    throw new GleanerError("INVALID_FIELD", {
      field,
      problem: `not a value that this version knows; use one of ${[...coreOf.keys()].join(", ")}`,
    });
  };
  return {
    toWire: (word) => wireOf[word],
    fromOptional,
    fromWire: (value, field) => {
      const word = fromOptional(value, field);
      if (word !== null) return word;
      throw new GleanerError("INVALID_FIELD", {
        field,
        problem: `missing; use one of ${[...coreOf.keys()].join(", ")}`,
      });
    },
  };
}
