import { registerHooks } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { Mutant } from "./mutants.ts";

export interface SimWorkerData {
  readonly mutant: Mutant | null;
}

const { mutant } = workerData as SimWorkerData;
if (mutant !== null) plant(mutant);
const [{ play }, { drawScenario }] = await Promise.all([import("./run.ts"), import("./scenario.ts")]);

parentPort!.on("message", (seed: number) => {
  void play(drawScenario(seed)).then(
    (outcome) => parentPort!.postMessage(outcome),
    (thrown: unknown) => {
      throw thrown;
    },
  );
});
parentPort!.postMessage("ready");

/** Throws for a mutant whose place is no longer there: it would find nothing, for ever. */
function plant({ name, file, find, replace }: Mutant): void {
  let isPlanted = false;
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(file)) return loaded;
      const source = Buffer.from(loaded.source as Uint8Array).toString("utf8");
      if (source.split(find).length !== 2)
        throw new Error(`mutant ${name}: its place in ${file} is not there once`);
      isPlanted = true;
      return { ...loaded, source: source.replace(find, () => replace) };
    },
  });
  process.on("exit", () => {
    if (!isPlanted) process.exitCode = 1;
  });
}
