/**
 * Ages of idleness fall into bins whose edges are 100 ms · 2^(i/4) up to 7 days: fine where hazards change fast, and the same
 * for fleets that live at different speeds. Bin 0 starts at 0; the last one has no end.
 */
const firstEdgeMs = 100;
const lastEdgeMs = 7 * 86_400_000;
const binsPerOctave = 4;

export const binCount = 2 + Math.ceil(Math.log2(lastEdgeMs / firstEdgeMs) * binsPerOctave);

/** Start of each bin, ms. */
export const binStartMs = Float64Array.from({ length: binCount }, (_, bin) =>
  bin === 0 ? 0 : firstEdgeMs * 2 ** ((bin - 1) / binsPerOctave),
);

export function binEndMs(bin: number): number {
  return binStartMs[bin + 1] ?? Infinity;
}

export function binOf(ageMs: number): number {
  if (!(ageMs >= firstEdgeMs)) return 0;
  const bin = Math.min(binCount - 1, 1 + Math.floor(Math.log2(ageMs / firstEdgeMs) * binsPerOctave));
  // The logarithm may round across an edge.
  if (ageMs < binStartMs[bin]!) return bin - 1;
  return ageMs >= binEndMs(bin) ? bin + 1 : bin;
}
