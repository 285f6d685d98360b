import { Worker } from "node:worker_threads";
import type { Mutant } from "./mutants.ts";
import type { Outcome } from "./run.ts";
import type { SimWorkerData } from "./worker.ts";

/** Plays seeds on several threads, until all are played or `took` says that it is enough. */
export async function playSeeds(
  { seed, runs, jobs, mutant = null }: { seed: number; runs: number; jobs: number; mutant?: Mutant | null },
  took: (outcome: Outcome) => "go on" | "enough",
): Promise<void> {
  let next = seed;
  let isEnough = false;
  const one = async () => {
    const workerData: SimWorkerData = { mutant };
    const worker = new Worker(new URL("worker.ts", import.meta.url), { workerData });
    try {
      await answer(worker);
      while (next < seed + runs && !isEnough) {
        const playing = answer(worker);
        worker.postMessage(next++);
        if (took((await playing) as Outcome) === "enough") isEnough = true;
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, runs) }, one));
}

function answer(worker: Worker): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const settle = () => {
    worker.off("message", done);
    worker.off("error", failed);
  };
  const done = (message: unknown) => {
    settle();
    resolve(message);
  };
  const failed = (error: unknown) => {
    settle();
    reject(error instanceof Error ? error : new Error(String(error)));
  };
  worker.on("message", done);
  worker.on("error", failed);
  return promise;
}
