// Python in a page or in Node: starts Pyodide from parts and puts their files where it finds them.

export const HOME = "/course";
const ENGINE = `${HOME}/parts/engine`, PACKAGES = `${HOME}/parts`, NOTEBOOKS = `${HOME}/notebooks`;

// A part is one gzip file, or, from a server that unpacked it on the way, its content.
export async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The files of a bundle: the length of a table, the table [[path, size], ...], and the contents.
export function putBundle(python, content) {
  const length = new DataView(content.buffer, content.byteOffset).getUint32(0, true);
  const table = JSON.parse(new TextDecoder().decode(content.subarray(4, 4 + length)));
  const made = new Set();
  let at = 4 + length;
  for (const [path, size] of table) {
    const whole = path.startsWith("cnn/") ? `${NOTEBOOKS}/${path}`
      : `${PACKAGES}/${path}`;
    const folder = whole.slice(0, whole.lastIndexOf("/"));
    if (!made.has(folder)) { python.FS.mkdirTree(folder); made.add(folder); }
    python.FS.writeFile(whole, content.subarray(at, at + size), { canOwn: false });
    at += size;
  }
}

export function putData(python, name, content) {
  python.FS.mkdirTree(`${HOME}/data/MNIST/raw`);
  python.FS.writeFile(`${HOME}/data/MNIST/raw/${name}`, content);
}

export function startSession(python) {
  python.FS.mkdirTree(`${NOTEBOOKS}`);
  python.FS.chdir(NOTEBOOKS);
  python.runPython(`
import sys
sys.path[:0] = ["${ENGINE}"]
import boot
session = boot.boot(["${ENGINE}", "${NOTEBOOKS}", "${PACKAGES}"])
`);
  return python.globals.get("session");
}
