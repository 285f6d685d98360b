import fc from "fast-check";
import { expect, it } from "vitest";
import { steadyLink } from "../sim/redis/link.ts";
import { Pipe } from "../sim/redis/pipe.ts";
import { Host } from "../sim/world/host.ts";
import { Life } from "../sim/world/process.ts";
import { Random } from "../sim/world/random.ts";
import { Scheduler } from "../sim/world/scheduler.ts";

const never = () => false;

/** In the first ms of a run a moment is mostly not the sum of now and what is left until then: one of 100 was too early. */
it("the simulator's wire to Redis carries a message that nothing follows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = new Random(seed);
      const scheduler = new Scheduler();
      await scheduler.run(random.exponential(2), never);
      const arrived: string[] = [];
      const pipe = new Pipe<string>({
        way: "back",
        link: steadyLink(random.exponential(2)),
        scheduler,
        receiver: new Life(new Host("controller-0", scheduler, 0), scheduler),
        arrived: (items) => void arrived.push(...items),
        ended: () => {},
        gaveUp: () => {},
      });
      pipe.send(["the first answer"], 0.01);
      await scheduler.run(1_000, never);
      expect(arrived).toEqual(["the first answer"]);
    }),
    { numRuns: 2_000 },
  );
});
