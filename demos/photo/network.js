// The network, run by ONNX Runtime Web. It is fetched when the first photograph is there, not before.

import { softmax } from "../shared/logits.js";
import { SIDE } from "./image.js";

const here = (name) => new URL(name, import.meta.url).href;

let loading; // a promise, once someone has asked

/** What a photograph gives: { logits, classes, stages, names, seconds }. */
export async function ask(input) {
  loading ??= load();
  let parts;
  try {
    parts = await loading;
  } catch (error) {
    loading = undefined; // the next photograph tries again
    throw error;
  }
  const { runtime, session, names } = parts;
  const start = performance.now();
  const image = new runtime.Tensor("float32", input, [1, 3, SIDE, SIDE]);
  const found = await session.run({ image });
  const seconds = (performance.now() - start) / 1000;
  const stages = Object.keys(found).filter((name) => name.startsWith("stage")).sort();
  return {
    logits: found.logits.data,
    classes: found.classes,
    stages: stages.map((name) => found[name]),
    names,
    seconds,
  };
}

async function load() {
  const runtime = await import(here("ort/ort.wasm.min.mjs"));
  runtime.env.wasm.wasmPaths = here("ort/");
  runtime.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  const [model, names] = await Promise.all([
    fetched("network.onnx").then((answer) => answer.arrayBuffer()),
    fetched("names.json").then((answer) => answer.json()),
  ]);
  const session = await runtime.InferenceSession.create(model, { executionProviders: ["wasm"] });
  return { runtime, session, names };
}

async function fetched(name) {
  const answer = await fetch(here(name));
  if (!answer.ok) throw new Error(`the server answers ${answer.status} for ${name}`);
  return answer;
}

/** Softmax of the logits, and the n classes with the highest probability: [{ index, p }]. */
export function best(logits, n = 5) {
  return Array.from(softmax(logits), (p, index) => ({ index, p }))
    .sort((a, b) => b.p - a.p)
    .slice(0, n);
}
