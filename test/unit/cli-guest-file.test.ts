import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGuestFile, submissionsOf } from "../../src/cli/guest-file.ts";

let dir: string;
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), "gleaner-guests-"))));
afterAll(() => rmSync(dir, { recursive: true }));

function read(text: string) {
  const path = join(dir, "guests.yaml");
  writeFileSync(path, text);
  return readGuestFile(path);
}

describe("a guest file", () => {
  it("holds one guest, a list, or several documents", () => {
    const one = "tenant: a\ncommand: [true]\n".replace("true", '"true"');
    expect(read(one)).toHaveLength(1);
    expect(read(`---\n${one}---\n${one}`)).toHaveLength(2);
    expect(read('[{"tenant":"a","command":["x"]},{"tenant":"b","command":["y"]}]')).toHaveLength(2);
  });

  it("carries every field to the wire, durations in ms", () => {
    const [request] = read(`
tenant: research
name: sweep
kind: inference
command: [python, train.py, --lr, 0.1]
env: { A: 1, B: yes please }
workingDir: /srv
devices: 1
share: 0.25
memoryMib: 8000
model: H100
pools: [render]
priority: 70
checkpointInterval: 5m
start: 30s
notice: 10s
durationHint: 2h
retries: 3
evictionsMax: 9
notBefore: "2031-01-01T00:00:00Z"
trustGroup: g
labels: { team: x }
key: k
`);
    expect(request).toEqual({
      idempotencyKey: "k",
      spec: {
        tenant: "research",
        name: "sweep",
        kind: "GUEST_KIND_INFERENCE",
        workload: {
          $case: "process",
          value: {
            command: ["python", "train.py", "--lr", "0.1"],
            env: { A: "1", B: "yes please" },
            workingDir: "/srv",
          },
        },
        shape: { devices: 1, share: 0.25, memoryMib: 8_000, deviceModel: "H100", pools: ["render"] },
        priority: 70,
        checkpointIntervalMs: 300_000,
        startMs: 30_000,
        noticeMs: 10_000,
        durationHintMs: 7_200_000,
        retries: 3,
        evictionsMax: 9,
        notBefore: new Date("2031-01-01T00:00:00Z"),
        trustGroup: "g",
        labels: { team: "x" },
      },
    });
  });

  it("leaves defaults to the controller", () => {
    const [request] = submissionsOf({ tenant: "a", command: ["x"] }, "test");
    expect(request?.spec).toMatchObject({ priority: undefined, retries: undefined, noticeMs: undefined });
  });

  it("gives each of a count a name and a key of its own", () => {
    const requests = submissionsOf({ tenant: "a", command: ["x"], name: "n", key: "k", count: 3 }, "test");
    expect(requests.map(({ idempotencyKey, spec }) => [idempotencyKey, spec?.name])).toEqual([
      ["k-1", "n-1"],
      ["k-2", "n-2"],
      ["k-3", "n-3"],
    ]);
  });

  it.each([
    ["no tenant", "command: [x]", "tenant"],
    ["no command", "tenant: a", "command"],
    ["a command that is a string", "tenant: a\ncommand: python train.py", "command"],
    ["a share above 1", "tenant: a\ncommand: [x]\nshare: 1.5", "share"],
    ["a duration without a unit", "tenant: a\ncommand: [x]\nnotice: 10", "notice"],
    ["a misspelled field", "tenant: a\ncomand: [x]", "comand"],
    [
      "the second of two",
      "- {tenant: a, command: [x]}\n- {tenant: a, command: [x], devices: 0}",
      "entry 2, devices",
    ],
    ["a tab where YAML wants none", "tenant: a\n\tcommand: [x]", "line 2"],
    ["nothing", "# only a comment\n", "holds no guest"],
    ["a working directory for a container", "tenant: a\nimage: i\nworkingDir: /x", "workingDir"],
  ])("refuses %s and says where", (_, text, where) => {
    expect(() => read(text)).toThrow(where);
  });
});
