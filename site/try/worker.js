// The worker in which a page runs Python. It fetches nothing before the page says so.

import { putBundle, putData, startSession, unpacked } from "./boot.js";

const FIRST = ["pyodide.asm.wasm.part", "pyodide.asm.js.part", "library.part", "core.part", "course.part"];
const LATER = { lesson: ["lesson.part", "fonts.part"], data: [] };
const ARCHIVES = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"];

const say = (kind, more = {}) => postMessage({ kind, ...more });
let python, session, sizes;
const there = new Set();

// What is fetched together, with one count of bytes for all.
async function fetchAll(names) {
  const total = names.reduce((sum, name) => sum + sizes[name], 0);
  let loaded = 0;
  say("progress", { loaded, total });
  return Object.fromEntries(await Promise.all(names.map(async (name) => {
    const folder = ARCHIVES.includes(name) ? "data/" : "parts/";
    let response;
    try {
      response = await fetch(new URL(folder + name, import.meta.url));
    } catch {
      throw new Error(`The part ${name} could not be fetched. Is the connection broken?`);
    }
    if (!response.ok) throw new Error(`The part ${name} is missing on this site (${response.status}).`);
    const pieces = [], reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      loaded += value.length;
      say("progress", { loaded, total });
    }
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
    try {
      return [name, name.endsWith(".part") ? await unpacked(bytes) : bytes];
    } catch {
      throw new Error(`The part ${name} is damaged: reload the page, past the browser's cache.`);
    }
  })));
}

async function start(lesson) {
  if (typeof WebAssembly === "undefined") throw new Error("This browser has no WebAssembly, or it is switched off.");
  if (typeof DecompressionStream === "undefined") throw new Error("This browser is too old: it cannot unpack gzip files.");
  const response = await fetch(new URL("parts/sizes.json", import.meta.url)).catch(() => null);
  if (!response?.ok) throw new Error("This site was built without the parts that run Python.");
  sizes = await response.json();
  const parts = await fetchAll(FIRST);
  say("stage", { text: "Starting Python" });
  const urls = {
    "pyodide.asm.wasm": [parts["pyodide.asm.wasm.part"], "application/wasm"],
    "python_stdlib.zip": [parts["library.part"], "application/zip"],
    "pyodide-lock.json": [JSON.stringify({ info: { abi_version: "2024_0", arch: "wasm32", platform: "emscripten_3_1_58", python: "3.12.7", version: "0.27.7" }, packages: {} }), "application/json"],
  };
  const plain = globalThis.fetch;
  globalThis.fetch = (address, ...rest) => {
    const found = urls[String(address?.url ?? address).split("/").pop()];
    return found ? Promise.resolve(new Response(found[0], { headers: { "Content-Type": found[1] } })) : plain(address, ...rest);
  };
  const script = URL.createObjectURL(new Blob([parts["pyodide.asm.js.part"]], { type: "text/javascript" }));
  await import(script);
  const { loadPyodide } = await import(new URL("parts/pyodide.mjs", import.meta.url));
  python = await loadPyodide({ indexURL: new URL("parts/", import.meta.url).href });
  globalThis.fetch = plain;
  URL.revokeObjectURL(script);
  say("stage", { text: "Loading the course" });
  putBundle(python, parts["core.part"]);
  putBundle(python, parts["course.part"]);
  session = startSession(python);
  session.start(JSON.stringify(lesson));
}

async function add(names) {
  const wanted = names.filter((name) => !there.has(name));
  const files = wanted.flatMap((name) => (name === "data" ? ARCHIVES : LATER[name]));
  if (!files.length) return;
  const parts = await fetchAll(files);
  for (const name of files) {
    if (name.endsWith(".part")) putBundle(python, parts[name]);
    else putData(python, name, parts[name]);
  }
  wanted.forEach((name) => there.add(name));
  if (!wanted.includes("lesson")) return;
  say("stage", { text: "Loading the figures" });
  session.warm_up();
}

let starting;
self.onmessage = async ({ data }) => {
  try {
    starting ??= start(data.lesson);
    await starting;
    await add(data.parts ?? []);
    say("stage", { text: "Running" });
    const result = session.run(data.cell, data.source, JSON.stringify(data.texts ?? {}), data.mode ?? "names", () => say("started"));
    say("result", { result: JSON.parse(result) });
  } catch (error) {
    const text = String(error?.message ?? error);
    const memory = /memory|RangeError|Maximum call stack/i.test(text);
    say("failure", { text: memory ? "The memory of this page is exhausted." : text.slice(-600) });
  }
};
say("ready");
