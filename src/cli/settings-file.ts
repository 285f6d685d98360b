import { parse, YAMLParseError } from "yaml";
import { parseSettings, type Settings } from "../config/settings.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { readText } from "./read-file.ts";

/** A part of the settings and where it came from: a file, a variable, an option. */
export interface Layer {
  readonly source: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Settings from layers, the later ones winning field by field (lists whole). Throws CONFIG_INVALID, naming the layer that
 * the wrong field came from.
 */
export function layeredSettings(layers: readonly Layer[]): Settings {
  const merged = layers.map(({ values }) => values).reduce(merge, {});
  try {
    return parseSettings(merged, layers[0]?.source ?? "settings");
  } catch (thrown) {
    if (!(thrown instanceof GleanerError)) throw thrown;
    const steps = thrown.field.split(".");
    const origin = layers.findLast(({ values }) => holds(values, steps)) ?? layers[0];
    throw new GleanerError(thrown.code, { ...thrown.details, source: origin?.source ?? "settings" });
  }
}

/** One YAML or JSON value. Throws FILE_UNREADABLE and CONFIG_INVALID, naming the line. */
export function readDocument(path: string): unknown {
  const text = readText(path);
  try {
    return parse(text, { maxAliasCount: 100 }) ?? {};
  } catch (thrown) {
    if (!(thrown instanceof YAMLParseError)) throw thrown;
    throw new GleanerError("CONFIG_INVALID", {
      source: path,
      field: `line ${thrown.linePos?.[0].line ?? "?"}`,
      problem: thrown.message.split(" at line")[0] ?? "",
      command: "controller",
    });
  }
}

/** Throws FILE_UNREADABLE and CONFIG_INVALID. */
export function fileLayer(path: string): Layer {
  const values = readDocument(path);
  if (isGroup(values)) return { source: path, values };
  throw new GleanerError("CONFIG_INVALID", {
    source: path,
    field: "(top level)",
    problem: "is not a map of settings",
    command: "controller",
  });
}

function merge(
  below: Readonly<Record<string, unknown>>,
  above: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const under = merged[name];
    merged[name] = isGroup(value) && isGroup(under) ? merge(under, value) : value;
  }
  return merged;
}

function holds(values: unknown, [step, ...rest]: readonly string[]): boolean {
  if (step === undefined) return true;
  if (Array.isArray(values)) return Number(step) < values.length;
  return isGroup(values) && step in values && holds(values[step], rest);
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
