import { dcgm } from "./dcgm-series.ts";
import type { QueryPreset } from "./query-preset.ts";

export const queryPresets = { dcgm } satisfies Readonly<Record<string, QueryPreset>>;

export type QueryPresetName = keyof typeof queryPresets;
