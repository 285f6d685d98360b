import { LineCounter, parseAllDocuments } from "yaml";
import { z } from "zod";
import { GleanerError } from "../errors/gleaner-error.ts";
import * as wire from "../gen/gleaner/v1/guests.ts";
import { parseDurationMs } from "./duration.ts";
import { readText } from "./read-file.ts";

const durationHelp = "use a duration such as 30s, 5m or 2h";
const duration = z.string(durationHelp).transform((text, context) => {
  const ms = parseDurationMs(text);
  if (ms !== null) return ms;
  context.addIssue({
    code: "custom",
    message: durationHelp,
  });
  return z.NEVER;
});
const instant = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const words = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String));

/** One entry of a guest file; the options of `gleaner submit` fill in the same form. The controller knows the defaults. */
const entrySchema = z
  .strictObject({
    tenant: z.string().min(1),
    name: z.string().optional(),
    kind: z.enum(["batch", "inference"]).optional(),
    command: z
      .array(
        z.union([z.string(), z.number()]).transform(String),
        "use a list, for instance [python, train.py]",
      )
      .min(1)
      .optional(),
    workingDir: z.string().optional(),
    image: z.string().optional(),
    env: words.optional(),
    devices: z.int().min(1).optional(),
    share: z.number().gt(0).max(1).optional(),
    memoryMib: z.int().nonnegative().optional(),
    model: z.string().optional(),
    pools: z.array(z.string()).optional(),
    priority: z.int().min(0).max(100).optional(),
    checkpointInterval: duration.optional(),
    start: duration.optional(),
    notice: duration.optional(),
    durationHint: duration.optional(),
    retries: z.int().nonnegative().optional(),
    evictionsMax: z.int().nonnegative().optional(),
    notBefore: instant.optional(),
    trustGroup: z.string().optional(),
    labels: words.optional(),
    key: z.string().max(128).optional(),
    count: z.int().min(1).max(100_000).optional(),
  })
  .superRefine((entry, context) => {
    if (entry.command === undefined && entry.image === undefined)
      context.addIssue({
        code: "custom",
        path: ["command"],
        message: "missing: the program and its arguments, as a list",
      });
    if (entry.image !== undefined && entry.workingDir !== undefined)
      context.addIssue({
        code: "custom",
        path: ["workingDir"],
        message: "has no meaning for a container (image)",
      });
  });

export type GuestEntry = z.input<typeof entrySchema>;

/** Documents of a YAML or JSON file, each one guest or a list of them. Throws GUEST_FILE_INVALID, naming the line or field. */
export function readGuestFile(path: string): wire.SubmitRequest[] {
  const source = path === "-" ? "stdin" : path;
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(readText(path), { lineCounter });
  const entries: unknown[] = [];
  for (const document of "empty" in documents ? [] : documents) {
    const [error] = document.errors;
    if (error !== undefined)
      throw new GleanerError("GUEST_FILE_INVALID", {
        path: source,
        field: `line ${lineCounter.linePos(error.pos[0]).line}`,
        problem: error.message.split(" at line")[0] ?? "",
      });
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (value !== null) entries.push(...(Array.isArray(value) ? (value as unknown[]) : [value]));
  }
  if (entries.length === 0)
    throw new GleanerError("GUEST_FILE_INVALID", {
      path: source,
      field: "(file)",
      problem: "holds no guest",
    });
  return entries.flatMap((entry, index) =>
    submissionsOf(entry, source, entries.length === 1 ? "" : `entry ${index + 1}, `),
  );
}

/** One entry as requests; `count` makes several, with keys and names of their own. */
export function submissionsOf(input: unknown, source: string, where = ""): wire.SubmitRequest[] {
  const result = entrySchema.safeParse(input);
  if (!result.success) {
    const [issue] = result.error.issues;
    const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
    throw new GleanerError("GUEST_FILE_INVALID", {
      path: source,
      field: where + (unknown ?? (issue?.path.join(".") || "(entry)")),
      problem: unknown === undefined ? (issue?.message ?? "invalid") : "is no field of a guest",
    });
  }
  const { count = 1, key = "", name = "", ...entry } = result.data;
  const numbered = (text: string, index: number) =>
    text === "" || count === 1 ? text : `${text}-${index + 1}`;
  return Array.from({ length: count }, (_, index) => ({
    spec: specOf(entry, numbered(name, index)),
    idempotencyKey: numbered(key, index),
  }));
}

function specOf(
  entry: Omit<z.output<typeof entrySchema>, "count" | "key" | "name">,
  name: string,
): wire.GuestSpec {
  const { command = [], env = {}, workingDir = "", image } = entry;
  return {
    tenant: entry.tenant,
    name,
    kind: entry.kind === "inference" ? wire.GuestKind.INFERENCE : wire.GuestKind.BATCH,
    workload:
      image === undefined
        ? { $case: "process", value: { command, env, workingDir } }
        : { $case: "container", value: { image, command, env } },
    shape: {
      devices: entry.devices ?? 1,
      share: entry.share,
      memoryMib: entry.memoryMib,
      deviceModel: entry.model ?? "",
      pools: entry.pools ?? [],
    },
    priority: entry.priority,
    checkpointIntervalMs: entry.checkpointInterval,
    startMs: entry.start,
    noticeMs: entry.notice,
    durationHintMs: entry.durationHint,
    retries: entry.retries,
    evictionsMax: entry.evictionsMax,
    notBefore: entry.notBefore,
    trustGroup: entry.trustGroup ?? "",
    labels: entry.labels ?? {},
  };
}
