/** A measurement that `npm run bench -- NAME` runs: the default export of `bench/NAME.ts`. */
export interface Bench {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** By metric; a metric without one is shown as it is. */
  readonly targets: Readonly<Record<string, Target>>;
  /** By name, as `--name-in-kebab-case NUMBER`. */
  readonly options: Readonly<Record<string, BenchOption>>;
  /** By name, as `--name-in-kebab-case PATH`. */
  readonly paths?: Readonly<Record<string, BenchPath>>;
  /** Names of metrics end in their unit. */
  run(options: BenchValues, paths: BenchPaths): Promise<BenchResult>;
}

export type Target = { readonly max: number } | { readonly min: number };

export interface BenchOption {
  readonly value: number;
  readonly help: string;
}

export interface BenchPath {
  readonly value: string;
  readonly help: string;
}

export type BenchPaths = Readonly<Record<string, string>>;

export type BenchValues = Readonly<Record<string, number>>;

export interface BenchResult {
  readonly params: Readonly<Record<string, number | string>>;
  readonly metrics: Readonly<Record<string, number>>;
}

export function meets(target: Target, figure: number): boolean {
  return "max" in target ? figure <= target.max : figure >= target.min;
}
