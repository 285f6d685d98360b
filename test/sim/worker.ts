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
  void play(drawScenario(seed)).then((outcome) => parentPort!.postMessage(outcome));
});
parentPort!.postMessage("ready");

/** Exchanges the text as the modules are loaded. A mutant whose place has gone would find nothing, for ever: that throws. */
function plant({ name, edits }: Mutant): void {
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const own = edits.filter(({ file }) => url.endsWith(`/${file}`));
      if (own.length === 0) return loaded;
      let source = Buffer.from(loaded.source as Uint8Array).toString("utf8");
      for (const { file, find, replace } of own) {
        if (source.split(find).length !== 2)
          throw new Error(`mutant "${name}": its place is not once in ${file}`);
        source = source.replace(find, () => replace);
      }
      return { ...loaded, source };
    },
  });
}
