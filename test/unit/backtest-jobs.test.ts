import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backtestJobs, type JobBacktest } from "../../src/backtest/backtest-jobs.ts";
import { Cluster, type Placement } from "../../src/backtest/replay/cluster.ts";
import type { IdleEnd } from "../../src/backtest/replay/free-gpus.ts";
import { seeded } from "../../src/backtest/seeded.ts";
import { defaultJobRules } from "../../src/backtest/rules.ts";
import type { JobTrace } from "../../src/backtest/trace/job-trace.ts";

interface Job {
  readonly submitS: number;
  readonly durationS: number;
  readonly gpus: number;
}

interface Lend {
  readonly gapS: number;
  readonly level: number;
  readonly end: IdleEnd;
}

const gpusMax = 5;
const anyEnd = fc.constantFrom<IdleEnd>("longest_idle", "shortest_idle");
const anyJobs = fc
  .array(
    fc.record({
      submitS: fc.nat(60),
      durationS: fc.nat(40),
      gpus: fc.integer({ min: 1, max: gpusMax }),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((jobs) => jobs.toSorted((one, other) => one.submitS - other.submitS));
const anyLends = fc.array(
  fc.record({ gapS: fc.integer({ min: 1, max: 12 }), level: fc.nat(gpusMax), end: anyEnd }),
  {
    maxLength: 20,
  },
);

/** Jobs in order, each when the last of the GPUs that it needs is free and all before it have begun. */
function beginsByHand(jobs: readonly Job[], gpus: number): number[] {
  const freeS = Array.from({ length: gpus }, () => 0);
  let before = 0;
  return jobs.map((job) => {
    freeS.sort((one, other) => one - other);
    before = Math.max(before, job.submitS, freeS[job.gpus - 1]!);
    freeS.fill(before + job.durationS, 0, job.gpus);
    return before;
  });
}

/** Serves jobs while levels of lending come and go; a level beyond what is free lends all that is. */
function serve(jobs: readonly Job[], lends: readonly Lend[], takes: IdleEnd) {
  const placements: Placement[] = [];
  const cluster = new Cluster(gpusMax, takes, 3, (placement) => placements.push({ ...placement }));
  let lendS = 0;
  const moments = [
    ...jobs.map((job, id) => ({ atS: job.submitS, act: () => cluster.submit({ id, ...job }, job.submitS) })),
    ...lends.map(({ gapS, level, end }) => {
      const atS = (lendS += gapS);
      return {
        atS,
        act: () => {
          cluster.advance(atS);
          cluster.lend(Math.min(level, cluster.gpusFree), atS, end);
          expect(cluster.gpusLent).toBe(Math.min(level, cluster.gpusFree));
        },
      };
    }),
  ].toSorted((one, other) => one.atS - other.atS);
  for (const { act } of moments) act();
  cluster.advance(Infinity);
  return placements;
}

describe("a cluster of owners' jobs", () => {
  it("serves as a queue worked out by hand does, where nothing is lent", () => {
    fc.assert(
      fc.property(anyJobs, anyEnd, (jobs, takes) => {
        const begins = serve(jobs, [], takes).map(({ beginS }) => beginS);
        expect(begins).toEqual(beginsByHand(jobs, gpusMax));
      }),
      { numRuns: 500 },
    );
  });

  it("gives no GPU to two at a time and lets no job overtake, whatever is lent", () => {
    fc.assert(
      fc.property(anyJobs, anyLends, anyEnd, (jobs, lends, takes) => {
        const placements = serve(jobs, lends, takes);
        expect(placements.map(({ job }) => job.id)).toEqual([...jobs.keys()]);
        const freeS = new Map<number, number>();
        let before = 0;
        for (const { job, takenS, endS, gpus } of placements) {
          expect(new Set(gpus.map(({ gpu }) => gpu)).size).toBe(job.gpus);
          expect(takenS).toBeGreaterThanOrEqual(Math.max(before, jobs[job.id]!.submitS));
          before = takenS;
          for (const { gpu } of gpus) {
            expect(freeS.get(gpu) ?? 0).toBeLessThanOrEqual(takenS);
            freeS.set(gpu, endS);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("begins no job earlier than without lending, and each that meets a guest when it has left", () => {
    fc.assert(
      fc.property(anyJobs, anyLends, anyEnd, (jobs, lends, takes) => {
        const alone = beginsByHand(jobs, gpusMax);
        for (const { job, takenS, beginS, gpus } of serve(jobs, lends, takes)) {
          expect(beginS).toBeGreaterThanOrEqual(alone[job.id]!);
          expect(beginS - takenS).toBe(gpus.some(({ lentAtS }) => lentAtS !== null) ? 3 : 0);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("a backtest of jobs", () => {
  const context = { meetingsPerGpuDayMax: null, waitedShareMax: null, seed: 1 };
  const rules = { ...defaultJobRules, startS: 30, vacateS: 10, checkpointS: 300, tickS: 60 };
  const play = (jobs: readonly Job[], policies: readonly string[], load = 0.8): JobBacktest =>
    backtestJobs(traceOf(jobs), policies, { ...context, rules: { ...rules, load } });

  it("counts what owners wait and what guests lose", () => {
    const jobs = [
      { submitS: 0, durationS: 100, gpus: 1 },
      { submitS: 1_000, durationS: 100, gpus: 1 },
      { submitS: 2_000, durationS: 100, gpus: 1 },
    ];
    const { clusters, waits, results } = play(jobs, ["lend-all"]);
    expect(clusters).toEqual([{ pool: "p", gpus: 1, load: 0.15 }]);
    expect(waits).toEqual({ meanS: 0, p99S: 0, mostS: 0 });
    const [{ tally, excess }] = results as [JobBacktest["results"][number]];
    // Lent at 120 and, as the second job ends at 1,000 + 10 + 100, at 1,140.
    expect(tally).toMatchObject({ starts: 2, evictions: 2, handBacks: 0, metJobs: 2 });
    expect(tally.lentS).toBe(880 + 860);
    expect(tally.idleS).toBe(2_000 - 100 - 110);
    expect(tally.lostS).toBe(250 + 230);
    expect(tally.usefulS).toBe(600 + 600);
    expect(excess).toEqual({ meanS: 20 / 3, p99S: 10, mostS: 10 });
  });

  it("has owners that take the shortest idle meet fewer guests where some GPUs are kept free", () => {
    const jobs = Array.from({ length: 60 }, (_, n) => ({
      submitS: 600 * n,
      durationS: 500,
      gpus: 1 + (n % 3),
    }));
    const { results } = play(jobs, ["age:900"], 0.2);
    const [longest, shortest] = results.map(({ tally }) => tally.metJobs) as [number, number];
    expect(shortest).toBeLessThan(longest);
  });

  describe("of owners whose short jobs come and go within a tick", () => {
    const jobs = randomJobs(10, 600, 0.02);
    const learned = (waitedShareMax: number) =>
      backtestJobs(traceOf(jobs), ["learned"], {
        ...context,
        waitedShareMax,
        rules: { ...rules, load: 0.5 },
      }).results.map(({ tally }) => tally);

    it.each([0.1, 0.02])("holds the share of the GPUs they take that may find a guest: %d", (max) => {
      for (const { evictions, gpusTaken } of learned(max)) {
        expect(evictions / gpusTaken / max).toBeGreaterThan(0.9);
        expect(evictions / gpusTaken / max).toBeLessThan(1.1);
      }
    });

    it("lends as much to guests where owners take the longest idle first: what they take last is lent", () => {
      const [longest, shortest] = learned(0.02).map(({ lentS, idleS }) => lentS / idleS) as [number, number];
      expect(longest).toBeGreaterThan(0.9 * shortest);
    });
  });

  it("adds up, makes nobody wait for less, and says the same again", () => {
    const anyTrace = fc.array(
      fc.record({
        submitS: fc.nat(20_000),
        durationS: fc.nat(4_000),
        gpus: fc.integer({ min: 1, max: 4 }),
      }),
      { minLength: 2, maxLength: 40 },
    );
    fc.assert(
      fc.property(
        anyTrace,
        fc.constantFrom("lend-all", "age:300", "learned", "nsigma:1"),
        (unsorted, policy) => {
          const jobs = unsorted.toSorted((one, other) => one.submitS - other.submitS);
          const backtest = play(jobs, [policy]);
          for (const { tally, excess } of backtest.results) {
            expect(tally.starts).toBe(tally.evictions + tally.handBacks);
            expect(tally.lentS).toBeLessThanOrEqual(tally.idleS + 1e-6);
            expect(tally.usefulS + tally.lostS).toBeLessThanOrEqual(tally.lentS + 1e-6);
            expect(tally.metJobs).toBeLessThanOrEqual(tally.evictions);
            expect(excess.meanS).toBeGreaterThanOrEqual(0);
          }
          expect(play(jobs, [policy])).toEqual(backtest);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("knows no clairvoyant, and says so before anything is played", () => {
    expect(() => play([{ submitS: 0, durationS: 1, gpus: 1 }], ["lend-all", "clairvoyant"])).toThrow(
      "clairvoyant does not play jobs",
    );
  });

  it("refuses a load that takes a cluster beyond measure", () => {
    const jobs = [0, 1].map((submitS) => ({ submitS, durationS: 1e9, gpus: 1_000 }));
    expect(() => play(jobs, ["lend-all"])).toThrow("at most 1000000 are played");
  });
});

/** Of 1, 2 and 4 GPUs, in the mean so long, so many a second. */
function randomJobs(days: number, meanS: number, perS: number): Job[] {
  const random = seeded(1);
  const exponential = () => -Math.log(1 - random());
  const jobs: Job[] = [];
  for (let submitS = 0; submitS < days * 86_400; submitS += exponential() / perS)
    jobs.push({
      submitS: Math.floor(submitS),
      durationS: Math.ceil(meanS * exponential()),
      gpus: 2 ** Math.floor(3 * random()),
    });
  return jobs;
}

function traceOf(jobs: readonly Job[]): JobTrace {
  return {
    pools: ["p"],
    submitS: Float64Array.from(jobs, ({ submitS }) => submitS),
    durationS: Float64Array.from(jobs, ({ durationS }) => durationS),
    gpus: Uint32Array.from(jobs, ({ gpus }) => gpus),
    pool: new Uint32Array(jobs.length),
  };
}
