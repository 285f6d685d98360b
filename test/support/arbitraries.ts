import fc from "fast-check";
import type { GuestSpec, Shape } from "../../src/core/guest.ts";

/** Specifications that every check accepts. */

export const arbitraryName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);

/** Any text without a NUL byte, whole code points only. */
const text = (maxLength: number) =>
  fc
    .string({ unit: "grapheme", maxLength })
    .map((value) => value.replaceAll("\0", "").slice(0, maxLength).toWellFormed());

const envName = fc
  .stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/)
  .filter((name) => !/^(GLEANER_.*|CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES|__proto__)$/.test(name));

const arbitraryShape: fc.Arbitrary<Shape> = fc
  .record({
    devices: fc.integer({ min: 1, max: 64 }),
    sharePermille: fc.integer({ min: 1, max: 1000 }),
    memoryMib: fc.option(fc.integer({ min: 1, max: 16 * 1024 * 1024 })),
    model: text(40),
    pools: fc.array(arbitraryName, { maxLength: 5 }),
  })
  .map((shape) => (shape.devices > 1 ? Object.assign(shape, { sharePermille: 1000 }) : shape));

export const arbitrarySpec: fc.Arbitrary<GuestSpec> = fc.record({
  tenant: arbitraryName,
  name: fc.oneof(fc.constant(""), arbitraryName),
  kind: fc.constant("batch" as const),
  workload: fc.record({
    kind: fc.constant("process" as const),
    command: fc
      .tuple(
        text(20).filter((program) => program !== ""),
        fc.array(text(20)),
      )
      .map(([head, rest]) => [head].concat(rest)),
    env: fc.dictionary(envName, text(20), { maxKeys: 5, noNullPrototype: true }),
    workingDir: fc.oneof(
      fc.constant(""),
      text(20).map((path) => `/${path}`),
    ),
  }),
  shape: arbitraryShape,
  priority: fc.integer({ min: 0, max: 100 }),
  checkpointIntervalMs: fc.option(fc.integer({ min: 1, max: 86_400_000 })),
  startMs: fc.integer({ min: 0, max: 86_400_000 }),
  noticeMs: fc.integer({ min: 0, max: 86_400_000 }),
  durationHintMs: fc.option(fc.integer({ min: 1, max: 366 * 86_400_000 })),
  retries: fc.integer({ min: 0, max: 1_000 }),
  evictionsMax: fc.integer({ min: 0, max: 10_000 }),
  notBeforeMs: fc.option(fc.integer({ min: 0, max: 2_000_000_000_000 })),
  trustGroup: arbitraryName,
  labels: fc.dictionary(
    text(20).filter((key) => key !== "" && key !== "__proto__"),
    text(20),
    { maxKeys: 5, noNullPrototype: true },
  ),
});
