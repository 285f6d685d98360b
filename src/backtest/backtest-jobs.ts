import { GleanerError } from "../errors/gleaner-error.ts";
import type { OnProgress } from "./backtest-devices.ts";
import { choosePolicy } from "./policies/registry.ts";
import type { PolicyContext } from "./policy.ts";
import type { IdleEnd } from "./replay/free-gpus.ts";
import { replayJobs } from "./replay/job-replay.ts";
import type { JobRules } from "./rules.ts";
import { clusterSizes, type ClusterSize } from "./score/cluster-sizes.ts";
import type { JobTally } from "./score/job-tally.ts";
import { waits, type Waits } from "./score/waits.ts";
import type { JobTrace } from "./trace/job-trace.ts";

export interface JobBacktest {
  readonly clusters: readonly ClusterSize[];
  readonly jobs: number;
  /** Of owners' jobs without lending: from submission until they run. */
  readonly waits: Waits;
  /** Of each policy two: owners take other GPUs. */
  readonly results: readonly JobResult[];
}

export interface JobResult {
  /** As it was asked for. */
  readonly policy: string;
  readonly takes: IdleEnd;
  readonly tally: JobTally;
  /** By how much longer jobs waited than without lending. */
  readonly excess: Waits;
}

/** Plays each policy of pools beside the jobs. Throws COMMAND_INVALID for policies that there are none of, before any is played. */
export function backtestJobs(
  trace: JobTrace,
  policies: readonly string[],
  context: PolicyContext<JobRules>,
  onProgress: OnProgress = () => {},
): JobBacktest {
  const { rules } = context;
  const runs = policies.flatMap((text) =>
    (["longest_idle", "shortest_idle"] as const).map((takes) => ({
      text,
      takes,
      policy: make(text, context),
    })),
  );
  const clusters = clusterSizes(trace, rules.load);
  const sizes = clusters.map(({ gpus }) => gpus);
  const alone = replayJobs(trace, sizes, rules, "longest_idle", null, () => {});
  const results = runs.map(({ text, takes, policy }, index): JobResult => {
    const onPart = (part: number) => onProgress(text, (index + part) / runs.length);
    const tally = replayJobs(trace, sizes, rules, takes, policy, onPart);
    onPart(1);
    return { policy: text, takes, tally, excess: waits(tally.beginS, alone.beginS) };
  });
  return { clusters, jobs: trace.submitS.length, waits: waits(alone.beginS, trace.submitS), results };
}

function make(text: string, context: PolicyContext<JobRules>) {
  const { make: makePolicy, argument } = choosePolicy(text, "pools");
  if (makePolicy !== null) return makePolicy(argument, context);
  throw new GleanerError("COMMAND_INVALID", {
    problem: `${text} does not play jobs: what is lent changes when they begin`,
    command: "backtest",
  });
}
