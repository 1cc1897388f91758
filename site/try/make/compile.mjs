// Compiles Python packages with the interpreter that will run them, so that no page has to.
//
//     node compile.mjs NPM PACKAGES LIBRARY
//
// NPM: a folder whose node_modules holds pyodide; PACKAGES and LIBRARY: folders of modules. Each NAME.py
// becomes NAME.pyc beside it, and is never compared with a source again. The library goes without its docstrings and
// asserts; the packages keep both, since NumPy needs them when it is imported.

import { createRequire } from "node:module";
import path from "node:path";

const [npm, ...folders] = process.argv.slice(2).map((folder) => path.resolve(folder));
const home = path.join(npm, "node_modules", "pyodide");
const { loadPyodide } = createRequire(import.meta.url)(path.join(home, "pyodide.js"));
const python = await loadPyodide({ indexURL: `${home}/` });

folders.forEach((root, i) => {
  python.FS.mkdir(`/compiled${i}`);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, `/compiled${i}`);
  python.globals.set("root", `/compiled${i}`);
  python.globals.set("level", i === 0 ? 0 : 2);
  python.runPython(`
import py_compile
from pathlib import Path

for source in sorted(Path(root).rglob("*.py")):
    py_compile.compile(
        str(source),
        cfile=str(source.with_suffix(".pyc")),
        dfile=f"/lib/{source.relative_to(root).as_posix()}",
        doraise=True,
        optimize=level,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    source.unlink()
`);
});
