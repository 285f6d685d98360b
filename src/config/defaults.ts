/**
 * Every default of the product in one place, units last in the names.
 * What a setting means and how they relate is checked in `settings.ts`; docs/settings.md lists them for people.
 */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

export const defaults = {
  zone: "default",
  listen: {
    /** gRPC of the controller. */
    apiAddress: "127.0.0.1:7070",
    /** /metrics, /healthz, /readyz of the controller. */
    httpAddress: "127.0.0.1:7071",
    /** The agent's own OwnerService (Recall only). */
    agentAddress: "127.0.0.1:7072",
  },
  cycle: {
    /** The matcher runs at least this often. */
    intervalMs: second,
    /** And at most this often, however many events ask for it. */
    intervalMsMin: 20,
    /** Waiting guests considered in one cycle, over all tenants. */
    headsMax: 50_000,
    /** Guests lent in one cycle. */
    lendsMax: 2_000,
  },
  decisions: {
    /** Kept of what was decided and why, so that it can be replayed; 0: nothing. */
    keptMibMax: 256,
  },
  terms: {
    /** A lease is valid this long after the agent sent its renewal. */
    termMs: 15 * second,
    renewIntervalMs: 3 * second,
    /** Allowance for clocks that run apart within a term. */
    driftMs: 500,
  },
  lead: {
    /** A leader that cannot renew its lock for so long leads no more, and another may. */
    lockMs: 3 * second,
    renewIntervalMs: second,
  },
  telemetry: {
    sampleIntervalMs: 15 * second,
    /** A sample older than this says nothing: unknown. */
    staleMs: 45 * second,
    scrapeTimeoutMs: 5 * second,
    scrapesMax: 32,
    scrapeBytesMax: 16 * 1024 * 1024,
  },
  policy: {
    mode: "observe",
    lentShareMax: 1,
    meetingsPerGpuDayMax: null,
    waitedShareMax: null,
    recallDeadlineMs: 30 * second,
    pauseBudgetMs: 10 * minute,
    firstRung: "pause",
    vacateFromPause: "thaw",
    returnSignal: "activity",
    reserveMemoryMib: 0,
    /** Two readings: the forecast decides the rest. */
    idleMsMin: 15 * second,
    /** A recalled device is not lent again for this long. */
    holdAfterRecallMs: minute,
  },
  forecast: {
    /** How many times as fast as the clock owners live: more than 1 only where a trace is replayed so. */
    speed: 1,
    /** What an eviction is taken to cost before any was seen, as lost device time. */
    evictionPenaltyMs: 5 * minute,
    /** A guest is lent a device only where its start, its checkpoint interval if it names one, and its notice fit with this chance. */
    fitChanceMin: 0.5,
    /** How far ahead a window is valued for a guest that does not say how long it runs. */
    horizonMs: hour,
    /** A paused guest is resumed after this long without the owner. */
    resumeIdleMsMin: 5 * second,
    /** Breaker: a return within this time after lending counts as early. */
    earlyReturnMs: 2 * minute,
    /** Each early return multiplies the idle age required of the device by this, up to the limit; it decays again. */
    breakerFactor: 1,
    breakerFactorMax: 64,
    breakerHalfLifeMs: hour,
  },
  guest: {
    priority: 50,
    startMs: 30 * second,
    noticeMs: 10 * second,
    checkpointIntervalMs: 5 * minute,
    retries: 0,
    /** What leaves before its owner comes counts too. */
    evictionsMax: 1_000,
    /** After a failure or an eviction: first and longest wait before the next attempt. */
    backoffMsMin: second,
    backoffMsMax: 5 * minute,
  },
  queue: {
    /** Guests of one tenant that have not ended. */
    openPerTenantMax: 50_000,
    /** Of all tenants together: a name costs nothing, so that the limit of each bounds nothing. */
    openMax: 1_000_000,
    batchMax: 1_000,
    /** Guests taken from the head of each lane (tenant × shape × priority) into the matcher's view. */
    headsPerLane: 64,
    lockMs: 60 * second,
    lockRenewMs: 20 * second,
    endedKeptMax: 100_000,
    endedKeptMs: 7 * day,
  },
  fairShare: {
    /** A tenant's past use counts half after this time. */
    halfLifeMs: 24 * hour,
    weight: 1,
  },
  blackHole: {
    /** Different guests that fail at once on a device, where nothing but the device explains it, before it is quarantined. */
    failuresMax: 3,
    failedWithinMs: 10 * second,
    forMs: 30 * minute,
  },
  recall: {
    /** SIGKILL is sent this long before the deadline. */
    killMarginMs: second,
    /** From SIGKILL to the proof that nothing is left; after it the device is quarantined. */
    proofMs: 5 * second,
    /** From the end of a device's last guest to memory that is free again; after it the device is quarantined. */
    memoryProofMs: minute,
    /** Above what was used before the guest came, this much counts as noise. */
    memoryToleranceMib: 256,
    hintTtlMs: minute,
    hintTtlMsMax: day,
  },
  agent: {
    logBytesMax: 16 * 1024 * 1024,
    /** Reports kept on disk until the controller acknowledges them. */
    journalEntriesMax: 100_000,
    /** Ended attempts whose logs and working directories are kept; the oldest go first. */
    endedAttemptsKeptMax: 1_000,
    /** Checkpoints of guests that have ended are kept for so long, … */
    checkpointsKeptMs: 7 * day,
    /** … of so many guests, the oldest going first, … */
    checkpointsKeptMax: 10_000,
    /** … and while this part of their file system is free. */
    diskFreeShareMin: 0.05,
    reconnectMsMin: 100,
    reconnectMsMax: 5 * second,
  },
  api: {
    messageBytesMax: 8 * 1024 * 1024,
    pageSize: 100,
    pageSizeMax: 1_000,
    /** Changes that a watcher may be behind before it is cut off. */
    watchBacklogMax: 1_000,
    watchersMax: 1_000,
    /** A watcher that takes nothing for so long is cut off. */
    watchStalledMsMax: 10 * second,
  },
  ledger: {
    /** Entries of the Redis stream that may wait for the SQL books. */
    streamEntriesMax: 1_000_000,
    drainIntervalMs: second,
    aliveIntervalMs: 5 * second,
  },
} as const;
