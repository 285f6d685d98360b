import { z } from "zod";
import { GleanerError } from "../errors/gleaner-error.ts";
import { defaults } from "./defaults.ts";

/** Of tenants, pools, guests, zones: what Kubernetes takes as a label's value, too. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const namePatternInWords = "use 1–63 letters, digits, '.', '_', '-', the first a letter or digit";
const name = z.string().regex(namePattern, namePatternInWords);
const durationMs = z.int().positive();
const waitMs = z.int().nonnegative();
const count = z.int().positive();
const chance = z.number().min(0).max(1);
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}$/, "use HOST:PORT, for instance 127.0.0.1:7070");

/** A pool's policy as a settings file or SetPolicy gives it; what is left out comes from `defaults.policy`. */
export const policySchema = z.strictObject({
  pool: name,
  owner: z.string().max(128).default(""),
  mode: z.enum(["observe", "lend"]).default(defaults.policy.mode),
  lentShareMax: chance.default(defaults.policy.lentShareMax),
  windows: z
    .array(
      z.strictObject({
        weekdays: z.array(z.int().min(0).max(6)).max(7).default([]),
        startMinute: z.int().min(0).max(1_440),
        endMinute: z.int().min(0).max(1_440),
        timeZone: z.string().refine(isTimeZone, "not a time zone that this system knows").default("UTC"),
      }),
    )
    .max(64)
    .default([]),
  meetingsPerGpuDayMax: z.number().nonnegative().nullable().default(defaults.policy.meetingsPerGpuDayMax),
  waitedShareMax: z.number().positive().max(1).nullable().default(defaults.policy.waitedShareMax),
  recallDeadlineMs: durationMs.default(defaults.policy.recallDeadlineMs),
  pauseBudgetMs: waitMs.default(defaults.policy.pauseBudgetMs),
  firstRung: z.enum(["pause", "vacate", "kill"]).default(defaults.policy.firstRung),
  vacateFromPause: z.enum(["thaw", "kill"]).default(defaults.policy.vacateFromPause),
  returnSignal: z.enum(["activity", "call"]).default(defaults.policy.returnSignal),
  reserveMemoryMib: z.int().nonnegative().default(defaults.policy.reserveMemoryMib),
  idleMsMin: waitMs.default(defaults.policy.idleMsMin),
});

const {
  listen,
  cycle,
  decisions,
  terms,
  lead,
  telemetry,
  forecast,
  guest,
  queue,
  fairShare,
  blackHole,
  recall,
  agent,
  api,
  ledger,
} = defaults;

/** Groups and names are those of `defaults.ts`, which says what each means. */
export const settingsSchema = z
  .strictObject({
    zone: name.default(defaults.zone),
    /** Empty: a private Redis is started where the command allows it. */
    redisUrl: z.string().default(""),
    /** Books, logs, agent state. Empty: ~/.local/state/gleaner or /var/lib/gleaner. */
    dataDir: z.string().default(""),
    listen: z
      .strictObject({
        apiAddress: address.default(listen.apiAddress),
        httpAddress: address.default(listen.httpAddress),
        agentAddress: address.default(listen.agentAddress),
      })
      .prefault({}),
    cycle: z
      .strictObject({
        intervalMs: durationMs.default(cycle.intervalMs),
        intervalMsMin: durationMs.default(cycle.intervalMsMin),
        headsMax: count.default(cycle.headsMax),
        lendsMax: count.default(cycle.lendsMax),
      })
      .prefault({}),
    decisions: z
      .strictObject({ keptMibMax: z.int().nonnegative().default(decisions.keptMibMax) })
      .prefault({}),
    terms: z
      .strictObject({
        termMs: durationMs.default(terms.termMs),
        renewIntervalMs: durationMs.default(terms.renewIntervalMs),
        driftMs: waitMs.default(terms.driftMs),
      })
      .prefault({}),
    lead: z
      .strictObject({
        lockMs: durationMs.default(lead.lockMs),
        renewIntervalMs: durationMs.default(lead.renewIntervalMs),
      })
      .prefault({}),
    telemetry: z
      .strictObject({
        sampleIntervalMs: durationMs.default(telemetry.sampleIntervalMs),
        staleMs: durationMs.default(telemetry.staleMs),
        scrapeTimeoutMs: durationMs.default(telemetry.scrapeTimeoutMs),
        scrapesMax: count.default(telemetry.scrapesMax),
        scrapeBytesMax: count.default(telemetry.scrapeBytesMax),
      })
      .prefault({}),
    forecast: z
      .strictObject({
        speed: z.number().positive().default(forecast.speed),
        evictionPenaltyMs: waitMs.default(forecast.evictionPenaltyMs),
        fitChanceMin: chance.default(forecast.fitChanceMin),
        horizonMs: durationMs.default(forecast.horizonMs),
        resumeIdleMsMin: waitMs.default(forecast.resumeIdleMsMin),
        earlyReturnMs: waitMs.default(forecast.earlyReturnMs),
        breakerFactor: z.number().min(1).default(forecast.breakerFactor),
        breakerFactorMax: z.number().min(1).default(forecast.breakerFactorMax),
        breakerHalfLifeMs: durationMs.default(forecast.breakerHalfLifeMs),
      })
      .prefault({}),
    guest: z
      .strictObject({
        priority: z.int().min(0).max(100).default(guest.priority),
        startMs: waitMs.default(guest.startMs),
        noticeMs: waitMs.default(guest.noticeMs),
        checkpointIntervalMs: durationMs.default(guest.checkpointIntervalMs),
        retries: z.int().nonnegative().default(guest.retries),
        evictionsMax: z.int().nonnegative().default(guest.evictionsMax),
        backoffMsMin: waitMs.default(guest.backoffMsMin),
        backoffMsMax: waitMs.default(guest.backoffMsMax),
      })
      .prefault({}),
    queue: z
      .strictObject({
        openPerTenantMax: count.default(queue.openPerTenantMax),
        openMax: count.default(queue.openMax),
        batchMax: count.default(queue.batchMax),
        headsPerLane: count.default(queue.headsPerLane),
        lockMs: durationMs.default(queue.lockMs),
        lockRenewMs: durationMs.default(queue.lockRenewMs),
        endedKeptMax: count.default(queue.endedKeptMax),
        endedKeptMs: durationMs.default(queue.endedKeptMs),
      })
      .prefault({}),
    fairShare: z
      .strictObject({
        halfLifeMs: durationMs.default(fairShare.halfLifeMs),
        weight: z.number().positive().default(fairShare.weight),
        /** By tenant; the others have `weight`. */
        weights: z.record(z.string(), z.number().positive()).default({}),
      })
      .prefault({}),
    blackHole: z
      .strictObject({
        failuresMax: count.default(blackHole.failuresMax),
        failedWithinMs: durationMs.default(blackHole.failedWithinMs),
        forMs: durationMs.default(blackHole.forMs),
      })
      .prefault({}),
    recall: z
      .strictObject({
        killMarginMs: waitMs.default(recall.killMarginMs),
        proofMs: durationMs.default(recall.proofMs),
        memoryProofMs: durationMs.default(recall.memoryProofMs),
        memoryToleranceMib: z.int().nonnegative().default(recall.memoryToleranceMib),
        hintTtlMs: durationMs.default(recall.hintTtlMs),
        hintTtlMsMax: durationMs.default(recall.hintTtlMsMax),
        holdAfterRecallMs: waitMs.default(defaults.policy.holdAfterRecallMs),
      })
      .prefault({}),
    agent: z
      .strictObject({
        logBytesMax: count.default(agent.logBytesMax),
        journalEntriesMax: count.default(agent.journalEntriesMax),
        endedAttemptsKeptMax: count.default(agent.endedAttemptsKeptMax),
        checkpointsKeptMs: waitMs.default(agent.checkpointsKeptMs),
        checkpointsKeptMax: z.int().nonnegative().default(agent.checkpointsKeptMax),
        diskFreeShareMin: chance.default(agent.diskFreeShareMin),
        reconnectMsMin: durationMs.default(agent.reconnectMsMin),
        reconnectMsMax: durationMs.default(agent.reconnectMsMax),
      })
      .prefault({}),
    api: z
      .strictObject({
        messageBytesMax: count.default(api.messageBytesMax),
        pageSize: count.default(api.pageSize),
        pageSizeMax: count.default(api.pageSizeMax),
        watchBacklogMax: count.default(api.watchBacklogMax),
        watchersMax: count.default(api.watchersMax),
        watchStalledMsMax: durationMs.default(api.watchStalledMsMax),
      })
      .prefault({}),
    ledger: z
      .strictObject({
        streamEntriesMax: count.default(ledger.streamEntriesMax),
        drainIntervalMs: durationMs.default(ledger.drainIntervalMs),
        aliveIntervalMs: durationMs.default(ledger.aliveIntervalMs),
      })
      .prefault({}),
    /** Of the pools; the first entry whose `pool` is "*" is the default for pools without one. */
    policies: z.array(policySchema.extend({ pool: z.union([name, z.literal("*")]) })).default([]),
  })
  .superRefine((settings, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: "custom", path, message });
    const { terms, lead, queue, telemetry, cycle, guest } = settings;
    if (lead.renewIntervalMs * 2 + terms.driftMs > lead.lockMs)
      refuse(
        ["lead", "renewIntervalMs"],
        `twice of it and terms.driftMs (${terms.driftMs}) must fit into lead.lockMs (${lead.lockMs}), so that one lost renewal does not end a lead`,
      );
    if (lead.lockMs > lockMsMax)
      refuse(["lead", "lockMs"], `must be at most ${lockMsMax}, so that another leads within 5 s`);
    if (terms.renewIntervalMs * 2 > terms.termMs)
      refuse(
        ["terms", "renewIntervalMs"],
        `must be at most half of terms.termMs (${terms.termMs}), so that one lost renewal does not end a lease`,
      );
    if (queue.lockRenewMs * 2 > queue.lockMs)
      refuse(["queue", "lockRenewMs"], `must be at most half of queue.lockMs (${queue.lockMs})`);
    if (telemetry.staleMs < telemetry.sampleIntervalMs * 2)
      refuse(
        ["telemetry", "staleMs"],
        `must be at least twice telemetry.sampleIntervalMs (${telemetry.sampleIntervalMs})`,
      );
    if (cycle.intervalMsMin > cycle.intervalMs)
      refuse(["cycle", "intervalMsMin"], `must be at most cycle.intervalMs (${cycle.intervalMs})`);
    if (guest.backoffMsMin > guest.backoffMsMax)
      refuse(["guest", "backoffMsMin"], `must be at most guest.backoffMsMax (${guest.backoffMsMax})`);
    settings.policies.forEach((policy, index) => {
      const problem = deadlineProblem(policy, settings);
      if (problem !== null) refuse(["policies", index, "recallDeadlineMs"], problem);
    });
  });

/** What is left of 5 s is for taking up what runs. */
const lockMsMax = 4_000;

export type Settings = z.infer<typeof settingsSchema>;

/** What an agent that hears of nobody needs to keep a deadline beside a guest's notice, ms: it counts from its last renewal. */
export function unheardMs({ terms, recall }: Pick<Settings, "terms" | "recall">): number {
  return terms.termMs + recall.killMarginMs + terms.driftMs;
}

/** Why a pool's deadline cannot be promised to its owner under these settings; null: it can. */
export function deadlineProblem(
  policy: { readonly mode: string; readonly recallDeadlineMs: number },
  settings: Pick<Settings, "terms" | "recall" | "guest">,
): string | null {
  const { terms, guest, recall } = settings;
  const leastMs = unheardMs(settings) + guest.noticeMs;
  if (policy.mode !== "lend" || policy.recallDeadlineMs > leastMs) return null;
  const sum = `${terms.termMs} + ${guest.noticeMs} + ${recall.killMarginMs} + ${terms.driftMs} = ${leastMs}`;
  return `must be more than terms.termMs + guest.noticeMs + recall.killMarginMs + terms.driftMs (${sum}), so that a cut-off agent still keeps it`;
}

/** Fills in the defaults and checks every relation. `source` names the file or command for the error. */
export function parseSettings(input: unknown, source: string): Settings {
  const result = settingsSchema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new GleanerError("CONFIG_INVALID", {
    source,
    field: issue === undefined || issue.path.length === 0 ? "(top level)" : issue.path.join("."),
    problem: issue?.message ?? "invalid",
    command: "controller",
  });
}

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
