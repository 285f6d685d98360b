import { relative } from "node:path";
import { parseArgs } from "node:util";
import { GleanerError, asGleanerError } from "../src/errors/gleaner-error.ts";
import type { Bench, BenchPaths, BenchValues } from "./harness/bench.ts";
import { benchNames, loadBench } from "./harness/discover.ts";
import { renderTable } from "./harness/table.ts";

try {
  await main(process.argv.slice(2));
} catch (thrown) {
  const error = asGleanerError(thrown);
  const isMisuse = error.code === "COMMAND_INVALID";
  const remedy = isMisuse ? "See `npm run bench -- --help`." : error.remedy;
  process.stderr.write(`${error.code}: ${error.message}\n${remedy}\n`);
  if (error.code === "INTERNAL" && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
  process.exitCode = isMisuse ? 2 : 1;
}

async function main(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h") {
    process.stdout.write(await help());
    return;
  }
  const names = await benchNames();
  if (!names.includes(name)) throw wrong(`There is no bench ${name}; there are ${names.join(", ")}.`);
  const bench = await loadBench(name);
  const { json, values, paths } = readOptions(bench, rest);
  const result = await bench.run(values, paths);
  process.stdout.write(
    `${json ? JSON.stringify({ bench: bench.name, ...result }) : renderTable(bench, result)}\n`,
  );
}

function readOptions(
  bench: Bench,
  args: readonly string[],
): { json: boolean; values: BenchValues; paths: BenchPaths } {
  const names = Object.keys(bench.options);
  const pathsOf = Object.entries(bench.paths ?? {});
  const given = parse(args, [...names, ...pathsOf.map(([name]) => name)].map(kebab));
  const values: Record<string, number> = {};
  for (const name of names) {
    const text = given[kebab(name)];
    const value = typeof text === "string" ? Number(text) : bench.options[name]?.value;
    if (value === undefined || !Number.isFinite(value) || value < 0)
      throw wrong(`--${kebab(name)} ${String(text)}: use a number of at least 0.`);
    values[name] = value;
  }
  const paths = pathsOf.map(([name, { value }]) => [name, String(given[kebab(name)] ?? value)]);
  return { json: given["json"] === true, values, paths: Object.fromEntries(paths) };
}

function parse(args: readonly string[], names: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        json: { type: "boolean" },
        ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
      },
    }).values as Record<string, string | boolean | undefined>;
  } catch (thrown) {
    throw wrong(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

async function help(): Promise<string> {
  const lines = ["Usage: npm run bench -- NAME [--json] [options]", ""];
  for (const name of await benchNames()) {
    const bench = await loadBench(name);
    lines.push(`  ${name.padEnd(10)} ${bench.summary}`);
    for (const [option, { value, help: text }] of Object.entries(bench.options))
      lines.push(`             --${kebab(option)} N  ${text} (${value})`);
    for (const [option, { value, help: text }] of Object.entries(bench.paths ?? {}))
      lines.push(`             --${kebab(option)} PATH  ${text} (${relative(process.cwd(), value)})`);
  }
  return `${lines.join("\n")}\n\nWith --json one object {"bench", "params", "metrics"}; without, a table with the targets beside the figures.\n`;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function wrong(problem: string): GleanerError {
  return new GleanerError("COMMAND_INVALID", { problem, command: "bench" });
}
