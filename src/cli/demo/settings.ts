/**
 * A fleet that lives 57 times as fast as the trace that it replays: a sample, which the trace has every 57 s, each second.
 * Everything that a day decides in minutes is decided here in seconds. `gleaner up` without telemetry of its own uses it too.
 */
export const fastFleetSpeed = 57;

const second = 1_000;

export const fastFleetSettings = {
  cycle: { intervalMs: 250 },
  terms: { termMs: 3 * second, renewIntervalMs: second, driftMs: 250 },
  telemetry: { sampleIntervalMs: second, staleMs: 4 * second },
  forecast: {
    speed: fastFleetSpeed,
    evictionPenaltyMs: 500,
    fitChanceMin: 0.3,
    horizonMs: 30 * second,
    resumeIdleMsMin: 1_500,
  },
  guest: {
    startMs: 300,
    noticeMs: second,
    checkpointIntervalMs: second,
    backoffMsMin: 200,
    backoffMsMax: 2 * second,
  },
  recall: { killMarginMs: second / 2, proofMs: 2 * second, holdAfterRecallMs: 2 * second },
  agent: { reconnectMsMax: second },
  ledger: { drainIntervalMs: 250, aliveIntervalMs: second },
  policies: [
    {
      pool: "*",
      mode: "lend",
      recallDeadlineMs: 5 * second,
      firstRung: "pause",
      pauseBudgetMs: 8 * second,
      idleMsMin: 2 * second,
    },
  ],
} as const;
