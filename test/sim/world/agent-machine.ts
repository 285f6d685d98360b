import type { Machine } from "../../../src/agent/machine.ts";
import type { AttemptLog } from "../../../src/agent/log/guest-log.ts";
import type { Files } from "./disk.ts";
import type { Kernel, Program } from "./guests.ts";
import type { Life } from "./process.ts";
import type { Random } from "./random.ts";

interface AgentMachineParts {
  readonly life: Life;
  readonly kernel: Kernel;
  readonly files: Files;
  readonly random: Random;
  readonly connect: Machine["connect"];
  /** What a guest's command does. */
  readonly programOf: (command: readonly string[]) => Program;
}

/** What an agent finds on a machine of the simulator. */
export function agentMachine(parts: AgentMachineParts): Machine {
  const { life, kernel, files, random, connect, programOf } = parts;
  const { host, clock } = life;
  const syncMs = () => random.exponential(3);
  return {
    clock: {
      ...clock,
      bootId: host.bootId,
      nowMs: () => host.sinceBootMs(),
      fromProcessMs: (monotonicMs) => monotonicMs - (host.monotonicMs() - host.sinceBootMs()),
      refresh: () => {},
      close: () => {},
    },
    disk: {
      ...files.disk(life, syncMs),
      newestMs: async (dir) => kernel.checkpoints.get(nameOf(dir))?.wallMs ?? null,
    },
    pid: 1,
    openRuntime: () => kernel.runtime((act) => life.after(0, act)),
    launch: (plan, group, ended) => {
      const { GLEANER_JOB_ID = "", GLEANER_ATTEMPT = "", CUDA_VISIBLE_DEVICES = "" } = plan.env;
      const pids = kernel.launch(
        {
          name: plan.command.at(-1) ?? "",
          guestId: GLEANER_JOB_ID,
          attempt: Number(GLEANER_ATTEMPT),
          devices: CUDA_VISIBLE_DEVICES.split(","),
          program: programOf(plan.command),
          ended: (status) => {
            // The launcher's own file, written whether an agent lives or not.
            files.force(plan.exitFile, `${status}\n`, host.wallMs());
            life.after(0, ended);
          },
        },
        group,
      );
      files.force(plan.pidFile, `${pids.launcher} ${pids.main}\n`, host.wallMs());
    },
    signal: (pid, signal) => {
      if (signal === "SIGTERM") kernel.find(pid)?.terminate();
    },
    openLog: () => emptyLog,
    connect,
    newId: () => random.uuid(),
    random: () => random.unit(),
  };
}

/** The last name of a path. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

const emptyLog: AttemptLog = {
  file: "/log",
  rotate: async () => {},
  read: async (position) => ({ data: new Uint8Array(), position, droppedBytes: 0 }),
  end: async () => 0,
};
