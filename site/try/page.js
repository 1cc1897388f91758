// "Try it here": an editor in the place of a cell, the buttons around it, and what the code shows.

import { makeForm } from "./forms.js";
import * as store from "./store.js";
import "./progress.js";

const LIMIT = 10; // seconds, as in the notebooks
const name = document.body.dataset.lesson ?? location.pathname.split("/").pop().replace(/\.html$/, "");
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
const here = (file) => new URL(file, import.meta.url);

const add = (parent, tag, more = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), more);
  node.append(...children);
  parent?.append(node);
  return node;
};

document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: here("try.css") }));

// What the page knows of its lesson: cells, which of them are offered, and forms.
const lesson = (async () => {
  const response = await fetch(here(`lessons/${name}.json`));
  if (!response.ok) throw new Error("What belongs to this lesson is missing on this site.");
  return response.json();
})();

// One worker for the page, started by the first Run.
class Engine {
  constructor() { this.worker = null; this.current = null; }

  run(job, on) {
    if (this.current) return Promise.resolve({ failure: "Another cell is still running." });
    return new Promise((resolve) => {
      const finish = (reply) => { clearTimeout(this.watch); this.current = null; resolve(reply); };
      this.current = { finish };
      try {
        this.worker ??= this.make();
      } catch {
        return finish({ failure: "This browser blocks the worker that runs Python." });
      }
      this.worker.onerror = (event) => {
        event.preventDefault?.();
        this.end();
        finish({ failure: "The worker that runs Python could not be started: it is blocked, or a file is missing." });
      };
      this.worker.onmessage = ({ data }) => {
        if (data.kind === "progress") on.progress(data.loaded, data.total);
        else if (data.kind === "stage") on.stage(data.text);
        else if (data.kind === "started") {
          this.watch = setTimeout(() => {
            this.end();
            finish({ late: true });
          }, (LIMIT + 4) * 1000);
        } else if (data.kind === "result") finish({ result: data.result });
        else if (data.kind === "failure") { this.end(); finish({ failure: data.text }); }
      };
      this.worker.postMessage(job);
    });
  }

  make() {
    return new Worker(here("worker.js"), { type: "module", name: "Try it here" });
  }

  end() {
    this.worker?.terminate();
    this.worker = null;
  }

  stop() {
    const current = this.current;
    this.end();
    current?.finish({ stopped: true });
  }
}

const engine = new Engine();
const texts = {}; // of lesson cells that the reader changed, by their id

const trouble = () => (location.protocol === "file:"
  ? "This page was opened from a folder. To run code it has to come from a web server: python3 -m http.server in that folder will do."
  : null);

// Opens a cell for the first time; the button that asked for it is replaced.
export async function open(cell, button) {
  button.disabled = true;
  try {
    const about = await lesson;
    const one = about.cells.find(({ id }) => id === cell.id);
    if (about.forms[cell.id]) openForm(cell, about.forms[cell.id], about);
    else await openCell(cell, one, about);
    button.remove();
  } catch (error) {
    button.disabled = false;
    const message = cell.querySelector(".try-trouble") ?? add(cell, "p", { className: "try-trouble", role: "alert" });
    message.textContent = trouble() ?? error.message;
  }
}

function note(panel) {
  if (!store.canKeep()) {
    add(panel, "p", { className: "try-note" }, "Your browser keeps nothing for this site: what you write is lost when you leave the page.");
  }
}

function forgetButton(parent, reset) {
  const button = add(parent, "button", { type: "button", className: "try-link", textContent: "Forget what I wrote" });
  button.title = "Removes your code, answers and progress in all lessons from this browser";
  button.onclick = () => {
    if (!confirm("Remove your code, your answers and your progress in all lessons from this browser?")) return;
    store.forget();
    reset();
  };
}

function solved(key, about) {
  store.change(name, (mine) => {
    mine.total = about.exercises;
    if (!mine.solved.includes(key)) mine.solved.push(key);
  });
}

function openForm(cell, form, about) {
  const key = form.name;
  const code = cell.querySelector(".sourceCode, pre");
  const panel = add(cell, "div", { className: "try-panel" });
  const reply = add(null, "div", { className: "try-output", role: "status" });
  const kept = store.lesson(name).code[key];
  const made = makeForm(form, kept ? JSON.parse(kept) : null, {
    change: (values) => store.change(name, (mine) => { mine.code[key] = JSON.stringify(values); mine.total = about.exercises; }),
    reply: (text, right) => {
      show(reply, [{ kind: "text", text }], right ? "right" : "wrong");
      if (right) solved(key, about);
    },
  });
  panel.append(made.element);
  const tools = made.tools;
  forgetButton(tools, () => { made.reset(); reply.replaceChildren(); });
  panel.append(reply);
  if (code) code.hidden = true;
  note(panel);
  made.focus();
}

async function openCell(cell, one, about) {
  const key = one.exercise ?? one.key;
  const code = cell.querySelector(".sourceCode.cell-code, .sourceCode, pre");
  const old = [...cell.querySelectorAll(".cell-output, .cell-output-display")];
  const panel = add(null, "div", { className: "try-panel" });
  code.after(panel);
  const box = add(panel, "div", { className: "try-editor" });
  const help = add(panel, "p", { className: "visually-hidden", id: `${cell.id}-help` }, "Control and Enter runs the code. Escape and then Tab leaves the editor.");
  const tools = add(panel, "div", { className: "try-tools" });
  const runs = add(tools, "button", { type: "button", className: "try-go", textContent: "Run", disabled: true });
  const stops = add(tools, "button", { type: "button", className: "try-stop", textContent: "Stop", hidden: true });
  const resets = add(tools, "button", { type: "button", textContent: "Reset" });
  const bar = add(tools, "progress", { hidden: true, max: 1 });
  bar.setAttribute("aria-label", "Loading");
  const state = add(tools, "span", { className: "try-state" });
  const output = add(panel, "div", { className: "try-output", role: "status" });
  const original = one.source;
  forgetButton(tools, () => { editor.set(original); output.replaceChildren(); });
  note(panel);
  const label = one.exercise ? "Your answer to the exercise" : "The code of this cell";
  const keep = (text) => {
    if (!one.exercise) texts[one.id] = text;
    store.change(name, (mine) => {
      if (text === original) delete mine.code[key];
      else mine.code[key] = text;
      if (one.exercise) mine.total = about.exercises;
    });
  };
  const text = store.lesson(name).code[key] ?? original;
  if (!one.exercise && text !== original) texts[one.id] = text;
  const options = { parent: box, text, label, describedBy: help.id, onChange: keep, onRun: () => runs.click() };
  const editor = await import(here("parts/editor.js")).then(({ makeEditor }) => makeEditor(options), () => plainEditor(options));
  code.hidden = true;
  runs.onclick = async () => {
    if (engine.current) return;
    const source = editor.text();
    runs.disabled = resets.disabled = true;
    stops.hidden = false;
    output.replaceChildren();
    state.textContent = "";
    const problem = trouble();
    const reply = problem ? { failure: problem } : await engine.run(
      { kind: "run", lesson: { cells: about.cells }, cell: one.id, source, texts, parts: one.parts ?? [], mode: one.mode ?? "names" },
      {
        progress: (loaded, total) => {
          bar.hidden = false;
          bar.value = Math.min(1, loaded / total);
          state.textContent = `${megabytes(loaded)} of ${megabytes(total)} MB`;
        },
        stage: (words) => { bar.hidden = true; state.textContent = `${words} …`; },
      },
    );
    bar.hidden = stops.hidden = true;
    runs.disabled = resets.disabled = false;
    state.textContent = "";
    answer(reply);
  };
  function answer(reply) {
    if (reply.stopped) return show(output, [{ kind: "text", text: "Stopped. Your text is still there." }], "wrong");
    if (reply.failure) return show(output, [{ kind: "error", text: `${reply.failure}\nYour text is still there.` }], "wrong");
    if (reply.late) {
      const what = one.exercise ? "Not right yet. Your code" : "This cell";
      return show(output, [{ kind: "text", text: `${what} did not finish in ${LIMIT} seconds. Is there a loop that never ends?` }], "wrong");
    }
    const { outputs, seconds } = reply.result;
    const said = outputs.filter(({ kind }) => kind === "text").map(({ text }) => text).join("");
    const right = /^Right\. /m.test(said);
    if (one.exercise && right) solved(key, about);
    old.forEach((node) => { node.hidden = true; });
    show(output, outputs, one.exercise ? (right ? "right" : "wrong") : "");
    state.textContent = `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  }
  stops.onclick = () => engine.stop();
  resets.onclick = () => {
    editor.set(original);
    keep(original);
    output.replaceChildren();
    old.forEach((node) => { node.hidden = false; });
    editor.focus();
  };
  runs.disabled = false;
  if (one.exercise) editor.focus();
  else runs.click();
}

// Where the editor cannot be loaded, a plain field does.
function plainEditor({ parent, text, label, describedBy, onChange, onRun }) {
  const field = add(parent, "textarea", { value: text, spellcheck: false, rows: text.split("\n").length + 2 });
  field.setAttribute("aria-label", label);
  field.setAttribute("aria-describedby", describedBy);
  field.oninput = () => onChange(field.value);
  field.onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); onRun(); } };
  return { text: () => field.value, set: (value) => { field.value = value; }, focus: () => field.focus() };
}

// Outputs as the notebook shows them. A check says one thing in each line; nothing was attempted: no hint yet.
function show(output, items, state) {
  output.className = `try-output ${state ? `try-${state}` : ""}`;
  const nodes = items.map(({ kind, text, png, width }) => {
    if (kind === "image") {
      const image = Object.assign(document.createElement("img"), { src: `data:image/png;base64,${png}`, alt: "The figure that this code has drawn" });
      if (width) image.style.width = `${width}px`;
      return image;
    }
    const words = state ? checked(text) : text;
    return Object.assign(document.createElement("pre"), { className: kind === "error" ? "try-error" : "", textContent: words.replace(/\n$/, ""), tabIndex: 0 });
  });
  if (!nodes.length) nodes.push(Object.assign(document.createElement("p"), { textContent: "It ran, and shows nothing." }));
  output.replaceChildren(...nodes);
}

// The notebook wraps what a check says at 92 characters; a page wraps it where it is narrow.
function checked(text) {
  const whole = text.replace(/\n {2}(?=\S)/g, " ");
  return whole.replace(/^Not attempted yet\.\n.*$/ms, "Not attempted yet.");
}
