/** Two bins an octave above 4, one a unit below: 0, 1, 2, 3, 4–5, 6–7, 8–11, … */
export function halfOctave(value: number): number {
  const whole = Math.floor(value);
  if (whole < 4) return Math.max(0, whole);
  const exponent = 31 - Math.clz32(whole);
  return 2 * exponent + ((whole >> (exponent - 1)) & 1);
}

/** 0, 1, 2–3, 4–7, … */
export function octave(value: number): number {
  return 32 - Math.clz32(Math.max(0, Math.floor(value)));
}

/** A value above 0 against a scale, `perOctave` bins to the doubling, `half` of them below the scale and as many above. */
export function ratioBin(value: number, scale: number, perOctave: number, half: number): number {
  return clampInt(Math.floor(Math.log2(value / scale) * perOctave) + half, 2 * half - 1);
}

/** A change against a scale, of either sign, in octaves from a tenth of the scale on; 0 … 12, with 6 for none. */
export function signedBin(change: number, scale: number): number {
  const size = Math.abs(change) / scale;
  const bin = size < 0.05 ? 0 : 1 + clampInt(Math.floor(Math.log2(size / 0.1)), 5);
  return change < 0 ? 6 - bin : 6 + bin;
}

/** A forgotten count: 0 below 0.02, then a bin an octave up to 9. */
export function countBin(count: number): number {
  return count < 0.02 ? 0 : 1 + clampInt(Math.floor(Math.log2(count / 0.02)), 8);
}

export function clampInt(value: number, max: number): number {
  return value < 0 ? 0 : value > max ? max : Math.floor(value);
}
