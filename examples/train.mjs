#!/usr/bin/env node
// A training loop that honours the guest's contract: resumes from its checkpoint, checkpoints at the interval that it is told and
// when SIGTERM asks it to leave (exit 85), ends with exit 0. The model is a small network that learns to tell two spirals apart.
// Interrupted or not, the same number of steps ends at the same loss.
//
//   train.mjs [--steps N] [--step-ms M]

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: { steps: { type: "string", default: "200" }, "step-ms": { type: "string", default: "100" } },
});
const steps = number("--steps", flags.steps);
const stepMs = number("--step-ms", flags["step-ms"]);
const directory = process.env.GLEANER_CHECKPOINT_DIR ?? "";
const intervalMs =
  number("GLEANER_CHECKPOINT_INTERVAL_S", process.env.GLEANER_CHECKPOINT_INTERVAL_S ?? "30") * 1000;
const noticeMs = number("GLEANER_NOTICE_S", process.env.GLEANER_NOTICE_S ?? "10") * 1000;

const hidden = 16;
const batch = 32;
const rate = 0.05;

const leave = new AbortController();
process.on("SIGTERM", () => {
  // Whoever cannot checkpoint in time is killed anyway; better to say so.
  setTimeout(() => fail("the notice was too short for a checkpoint"), noticeMs).unref();
  leave.abort();
});

const state = load() ?? { step: 0, random: 1, loss: Math.LN2, weights: firstWeights() };
let savedAtMs = performance.now();
while (state.step < steps && !leave.signal.aborted) {
  step();
  if (performance.now() - savedAtMs >= intervalMs) save();
  // The sleep stands for the work that a real step would leave to the GPU.
  await sleep(stepMs, undefined, { signal: leave.signal }).catch(() => {});
}
const done = state.step >= steps;
save();
console.log(
  `${done ? "done" : "asked to leave"} at step ${state.step} of ${steps}, loss ${state.loss.toFixed(6)}`,
);
process.exitCode = done ? 0 : 85;

/** One step of stochastic gradient descent on a fresh batch. */
function step() {
  const { w1, b1, w2 } = state.weights;
  const gradient = { w1: w1.map(() => 0), b1: b1.map(() => 0), w2: w2.map(() => 0) };
  let lossSum = 0;
  for (let sample = 0; sample < batch; sample++) {
    const { x, y, label } = point();
    const active = b1.map((bias, unit) => Math.tanh(w1[2 * unit] * x + w1[2 * unit + 1] * y + bias));
    const logit = active.reduce((sum, value, unit) => sum + value * w2[unit], w2[hidden]);
    const chance = 1 / (1 + Math.exp(-logit));
    lossSum -= Math.log(Math.max(1e-12, label === 1 ? chance : 1 - chance));
    const error = (chance - label) / batch;
    gradient.w2[hidden] += error;
    for (let unit = 0; unit < hidden; unit++) {
      gradient.w2[unit] += error * active[unit];
      const back = error * w2[unit] * (1 - active[unit] ** 2);
      gradient.b1[unit] += back;
      gradient.w1[2 * unit] += back * x;
      gradient.w1[2 * unit + 1] += back * y;
    }
  }
  for (const name of ["w1", "b1", "w2"])
    state.weights[name] = state.weights[name].map((weight, index) => weight - rate * gradient[name][index]);
  state.loss = 0.98 * state.loss + 0.02 * (lossSum / batch);
  state.step += 1;
}

/** A point of one of two spirals, with noise. */
function point() {
  const label = random() < 0.5 ? 0 : 1;
  const turn = random() * 3;
  const angle = turn + label * Math.PI;
  return { x: turn * Math.cos(angle) + 0.1 * random(), y: turn * Math.sin(angle) + 0.1 * random(), label };
}

function firstWeights() {
  // The random state belongs to the checkpoint; it does not exist yet when the first weights are drawn.
  let seed = 7;
  const draw = () => ((seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5) * 2;
  return {
    w1: Array.from({ length: 2 * hidden }, draw),
    b1: Array.from({ length: hidden }, draw),
    w2: Array.from({ length: hidden + 1 }, draw),
  };
}

/** Lehmer's generator: its whole state is one number, which the checkpoint holds. */
function random() {
  state.random = (state.random * 48271) % 2147483647;
  return state.random / 2147483647;
}

/** Written aside and renamed, so that whoever is killed meanwhile leaves the last whole checkpoint behind. */
function save() {
  savedAtMs = performance.now();
  if (directory === "") return;
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "train.json");
  writeFileSync(`${path}.tmp`, JSON.stringify(state), { flush: true });
  renameSync(`${path}.tmp`, path);
}

function load() {
  if (directory === "") {
    console.log("no GLEANER_CHECKPOINT_DIR: starts at step 0 and keeps nothing");
    return null;
  }
  try {
    const saved = JSON.parse(readFileSync(join(directory, "train.json"), "utf8"));
    console.log(`resumes at step ${saved.step}, loss ${saved.loss.toFixed(6)}`);
    return saved;
  } catch (error) {
    if (error.code !== "ENOENT") fail(`the checkpoint in ${directory} is unreadable: ${error.message}`);
    console.log("starts at step 0");
    return null;
  }
}

function number(name, text) {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value < Infinity))
    fail(`${name} must be a number from 0, not ${JSON.stringify(text)}`);
  return value;
}

function fail(message) {
  console.error(`train: ${message}`);
  process.exit(1);
}
