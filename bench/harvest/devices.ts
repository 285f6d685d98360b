import { backtestDevices, type DeviceBacktest } from "../../src/backtest/backtest-devices.ts";
import { defaultDeviceRules, type DeviceRules } from "../../src/backtest/rules.ts";
import { readDeviceTrace, type DeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { bootstrap, ratioOf } from "../harness/bootstrap.ts";
import { held, offBy, type Figures, type Section } from "./figures.ts";
import { interpolate, type Point } from "./interpolate.ts";
import { meetingsByDevice, type DeviceMeetings } from "./meetings.ts";

const dayS = 86_400;
const hourS = 3_600;
const pauseRules: DeviceRules = { ...defaultDeviceRules, mode: "pause" };
/** What a meeting counts, s: from never leaving to leaving soon. */
const meetingS = [0, 30, 50, 70, 100, 130, 160, 200, 250, 300, 400, 500];

export const devices: Section = {
  trace: "genai.devices.csv.gz",
  targets: {
    killShareOfNovacate60: { min: 0.964 },
    killShareOfNovacate300: { min: 0.846 },
    killShareOfNovacate900: { min: 0.64 },
    "pauseShareOfVacateAt6.9": { min: 0.91 },
    "pauseShareOfVacateAt5.7": { min: 0.88 },
    ...Object.fromEntries(
      ["kill30", "kill24", "kill12", "kill6", "pause80", "pause60", "pause40", "pause20"].map((setting) => [
        `${setting}PerGpuDayOffBy`,
        held,
      ]),
    ),
  },
  async measure(path) {
    const trace = await readDeviceTrace(path);
    return { ...killFigures(trace), ...pauseFigures(trace), ...heldFigures(trace) };
  },
};

const perGpuDay = ratioOf(
  ({ meetings }: DeviceMeetings) => meetings,
  ({ days }) => days,
);

function killFigures(trace: DeviceTrace): Figures {
  return Object.fromEntries(
    [60, 300, 900].map((penaltyS) => {
      const { bounds, results } = play(trace, { ...defaultDeviceRules, penaltyS }, "learned");
      return [`killShareOfNovacate${penaltyS}`, results[0]!.tally.netS / bounds.novacateS];
    }),
  );
}

/** At owners' pauses per guest-hour. */
function pauseFigures(trace: DeviceTrace): Figures {
  const netShares: Point[] = [];
  const evictions: Point[] = [];
  for (const s of meetingS) {
    const { bounds, results } = play(trace, pauseRules, `learned:${s}`);
    const { netS, runningS, ownerPauses, ends } = results[0]!.tally;
    const pauses = ownerPauses / (runningS / hourS);
    netShares.push([pauses, netS / bounds.vacateS]);
    evictions.push([pauses, ends.owner / (runningS / hourS)]);
  }
  return Object.fromEntries(
    [6.9, 5.7, 4.2].flatMap((pauses) => [
      [`pauseShareOfVacateAt${pauses}`, interpolate(netShares, pauses)],
      [`pauseEvictionsPerHourAt${pauses}`, interpolate(evictions, pauses)],
    ]),
  );
}

/** With the interval of realised ÷ set, over devices. */
function heldFigures(trace: DeviceTrace): Figures {
  const settings = [
    ...[30, 24, 12, 6].map((max) => ({ max, rules: defaultDeviceRules })),
    ...[80, 60, 40, 20].map((max) => ({ max, rules: pauseRules })),
  ];
  return Object.fromEntries(
    settings.flatMap(({ max, rules }) => {
      const { deviceS, results } = play(trace, rules, "learned", max);
      const { tally, decisions } = results[0]!;
      const realised = tally.meetings / (deviceS / dayS);
      const { low, high } = bootstrap(meetingsByDevice(trace, rules, decisions), perGpuDay);
      const name = `${rules.mode}${max}PerGpuDay`;
      return [
        [`${name}Realised`, realised],
        [`${name}OffBy`, offBy(realised, max)],
        [`${name}OfSetLow`, low / max],
        [`${name}OfSetHigh`, high / max],
      ];
    }),
  );
}

function play(
  trace: DeviceTrace,
  rules: DeviceRules,
  policy: string,
  meetingsPerGpuDayMax: number | null = null,
): DeviceBacktest {
  return backtestDevices(trace, [policy], { rules, meetingsPerGpuDayMax, waitedShareMax: null, seed: 1 });
}
