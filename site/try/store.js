// What a reader wrote and solved, in the browser's own storage and nowhere else.

export const KEY = "cnn-course";
let memory = null; // where a browser keeps nothing

export function read() {
  if (memory) return memory;
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? { lessons: {} };
  } catch {
    memory = { lessons: {} };
    return memory;
  }
}

function write(all) {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
    memory = null;
  } catch {
    memory = all;
  }
  dispatchEvent(new Event("cnn-progress"));
  return memory === null;
}

export function canKeep() {
  try {
    localStorage.setItem(`${KEY}-test`, "1");
    localStorage.removeItem(`${KEY}-test`);
    return true;
  } catch {
    return false;
  }
}

export function lesson(name) {
  const found = read().lessons[name] ?? {};
  return { code: found.code ?? {}, solved: found.solved ?? [], total: found.total ?? 0 };
}

export function change(name, how) {
  const all = read(), one = lesson(name);
  how(one);
  all.lessons[name] = one;
  return write(all);
}

export function forget() {
  memory = null;
  try { localStorage.removeItem(KEY); } catch { /* nothing was kept */ }
  dispatchEvent(new Event("cnn-progress"));
}
