interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A bug, planted as an exchange of text in the production code (for the books: in the model of their scripts). */
export interface Mutant {
  readonly name: string;
  /** The promise that it breaks. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
}

export const mutants: readonly Mutant[] = [
  {
    name: "owner ignored: the agent sees the owner and does nothing",
    breaks: "I0",
    edits: [
      {
        file: "src/agent/owner-watch.ts",
        find: 'runner.dispatch({ type: "activity", busy });',
        replace: "",
      },
    ],
  },
  {
    name: "shares not summed, neither when deciding nor in the books",
    breaks: "I1",
    edits: [
      {
        file: "test/sim/redis/scripts/lend.ts",
        find: "if (sharePermille > 1_000)",
        replace: "if (sharePermille > 9_000)",
      },
      {
        file: "src/controller/cycle.ts",
        find: "grants: lend.grants,",
        replace: "grants: lend.grants.map((grant) => ({ ...grant, sharePermille: 1 })),",
      },
    ],
  },
  {
    name: "fencing off: tokens begin anew with every leader, and agents take them",
    breaks: "I2",
    edits: [
      {
        file: "src/agent/lease/starter.ts",
        find: "if (newer !== null)",
        replace: "if (newer === undefined)",
      },
      {
        file: "test/sim/redis/scripts/lead.ts",
        find: 'const [generation, number] = [space.hget(lead, "generation"), space.hget(lead, "number")];',
        replace:
          'space.hset(lead, "number", "0");\n  const [generation, number] = [space.hget(lead, "generation"), "0"];',
      },
      {
        file: "src/controller/reign.ts",
        find: "if (isNewer) this.#newest = token;\n    return isNewer;",
        replace: "this.#newest = { generation: 1e9, number: 1e9 };\n    return true || isNewer;",
      },
    ],
  },
  {
    name: "an agent that is away for a moment loses its leases at once",
    breaks: "I3",
    edits: [
      {
        file: "src/controller/recovery.ts",
        find: "if (fleet.agents.has(lease.host)) continue;",
        replace: "if (fleet.agents.has(lease.host)) continue;\n    live.renewedAtMs = -Infinity;",
      },
    ],
  },
  {
    name: "evicted guests do not come back to the queue",
    breaks: "I4",
    edits: [
      {
        file: "src/controller/lease-steps.ts",
        find: "if (!(await this.#leaveOrWait(guestId, settlement, record))) continue;",
        replace:
          'if (settlement.outcome !== "evicted" && !(await this.#leaveOrWait(guestId, settlement, record))) continue;',
      },
    ],
  },
  {
    name: "a recall's deadline is taken for ten times as long",
    breaks: "I5",
    edits: [
      {
        file: "src/agent/commands.ts",
        find: "deadlineAtMs: arrivedAtMs + deadlineMs",
        replace: "deadlineAtMs: arrivedAtMs + 10 * deadlineMs",
      },
    ],
  },
  {
    name: "terms never end: an agent that is cut off keeps its guests",
    breaks: "I3",
    edits: [
      {
        file: "src/agent/terms.ts",
        find: "const endsAtMs = sentAtMs + this.#termMs;",
        replace: "const endsAtMs = sentAtMs + 1_000 * this.#termMs;",
      },
    ],
  },
  {
    name: "a little utilisation is not the owner's",
    breaks: "I6",
    edits: [
      {
        file: "src/core/idleness.ts",
        find: 'return value > 0 ? "busy" : "zero";',
        replace: 'return value > 90 ? "busy" : "zero";',
      },
    ],
  },
  {
    name: "loans without a decision in the ledger",
    breaks: "I7",
    edits: [
      {
        file: "test/sim/redis/scripts/lend.ts",
        find: 'type: "decision"',
        replace: 'type: "alive"',
      },
    ],
  },
  {
    name: "paused time is booked to nobody",
    breaks: "I8",
    edits: [
      {
        file: "src/core/account.ts",
        find: "entry.postings.push({ device",
        replace: 'if (part.category !== "paused") entry.postings.push({ device',
      },
    ],
  },
  {
    name: "an eviction counts as the guest's failure",
    breaks: "I9",
    edits: [
      {
        file: "src/core/settlement.ts",
        find: 'if (!byItself) return "evicted";',
        replace: 'if (!byItself) return "failed";',
      },
    ],
  },
  {
    name: "a killed guest is taken for gone before it is",
    breaks: "I10",
    edits: [
      {
        file: "src/agent/lease/lease-runner.ts",
        find: "return this.#group === null || this.#group.isEmpty();",
        replace: 'return this.#group === null || this.#group.isEmpty() || this.state === "killing";',
      },
    ],
  },
  {
    name: "a term counts from when its renewal is answered, not from when it was sent",
    breaks: "I3",
    edits: [
      {
        file: "src/agent/terms.ts",
        find: "const endsAtMs = sentAtMs + this.#termMs;",
        replace: "const endsAtMs = this.#parts.clock.nowMs() + this.#termMs;",
      },
    ],
  },
  {
    name: "an agent whose Hello comes late stays with a standby that leads by then",
    breaks: "I4",
    edits: [
      {
        file: "src/controller/standby.ts",
        find: 'if (this.#hasLeft) throw new GleanerError("LEAD_TAKEN");',
        replace: "",
      },
    ],
  },
];
