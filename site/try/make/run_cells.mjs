// Runs cells in the engine of the pages, in Node, one after the other in one session.
//
//     node run_cells.mjs PARTS DATA < {lesson, jobs: [{cell, mode}]}
//
// PARTS: what tools/try_parts.py has built; DATA: the folder data/ of the course. Prints a line for each cell:
// ROW {cell, outputs, seconds, before}, seconds: of the cell itself; before: of what it needs first.

import { readFileSync } from "node:fs";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { putBundle, putData, startSession, unpacked } from "../boot.js";

const [parts, data] = process.argv.slice(2).map((folder) => path.resolve(folder));
const { lesson, jobs } = JSON.parse(readFileSync(0, "utf8"));
const part = async (name) => unpacked(readFileSync(path.join(parts, `${name}.part`)));

// Pyodide in Node reads its files from a folder.
const home = mkdtempSync(path.join(tmpdir(), "try-"));
for (const name of ["pyodide.asm.wasm", "pyodide.asm.js"]) writeFileSync(path.join(home, name), await part(name));
for (const name of ["pyodide.js", "pyodide-lock.json"]) writeFileSync(path.join(home, name), readFileSync(path.join(parts, name)));
writeFileSync(path.join(home, "python_stdlib.zip"), await part("library"));

const { loadPyodide } = createRequire(import.meta.url)(path.join(home, "pyodide.js"));
const python = await loadPyodide({ indexURL: `${home}/`, stdout: () => {}, stderr: () => {} });
for (const name of ["core", "course", "lesson", "fonts"]) putBundle(python, await part(name));
for (const set of ["train", "t10k"]) {
  for (const name of [`${set}-images-idx3-ubyte.gz`, `${set}-labels-idx1-ubyte.gz`]) {
    putData(python, name, readFileSync(path.join(data, "MNIST", "raw", name)));
  }
}
const session = startSession(python);
session.start(JSON.stringify(lesson));
session.warm_up();

for (const { cell, mode } of jobs) {
  const { source } = lesson.cells.find(({ id }) => id === cell);
  const begun = performance.now();
  let started = begun;
  let result;
  try {
    result = JSON.parse(session.run(cell, source, "{}", mode ?? "names", () => (started = performance.now())));
  } catch (error) {
    result = { outputs: [{ kind: "error", text: String(error?.message ?? error).slice(-400) }], seconds: 0 };
  }
  const before = (started - begun) / 1000;
  console.log(`ROW ${JSON.stringify({ cell, outputs: result.outputs, seconds: result.seconds, before })}`);
}
