"""Each notebook opened alone, as Colab does it: only the file, nothing of the course around it.

The stand-in for Colab is an environment of its own that sees the installed packages, but not those
that Colab lacks, and has a module `google.colab`. The public address leads to a local repository
with the files of this checkout; pip finds wheels of what is installed here, and nothing else. So
git and pip really run, and no network is needed.
"""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import nbformat
import pytest
import stamp
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
URL = stamp.repo_url()
LACKING = [name.split("==")[0] for name in stamp.missing_in_colab().replace('"', "").split(", ")]
KERNEL = """{{
  "argv": ["{python}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}",
           "--IPKernelApp.exec_lines=import google.colab"],
  "display_name": "Python 3", "language": "python"
}}"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A bare repository with the files of this checkout, as they are now."""
    bare = tmp_path_factory.mktemp("origin") / "course.git"
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    here = [*git, f"--git-dir={bare}", f"--work-tree={REPOSITORY}"]
    for command in (
        [*git, "init", "--quiet", "--bare", bare],
        [*here, "add", "notebooks", "data", "requirements.txt"],
        [*here, "commit", "--quiet", "--message=course"],
    ):
        subprocess.run(command, cwd=REPOSITORY, check=True)
    return bare


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """The folder of the environment, with a kernel named colab and wheels for pip."""
    root = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True)
    packages = next(root.glob("lib/python*/site-packages"))
    for path in Path(distribution("torch").locate_file("")).iterdir():
        if not path.name.lower().startswith((*LACKING, "google")):
            (packages / path.name).symlink_to(path)
    (packages / "google" / "colab").mkdir(parents=True)
    (packages / "google" / "colab" / "__init__.py").write_text("")
    kernel = root / "kernels" / "colab" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(KERNEL.format(python=root / "bin" / "python"))
    (root / "wheels").mkdir()
    for name in LACKING:
        pack(distribution(name), root / "wheels")
    return root


def pack(installed, folder):
    """Write the wheel that an installed package came from."""
    wheel = folder / f"{installed.name}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in installed.files:
            if ".." not in file.parts and file.suffix != ".pyc":
                archive.write(installed.locate_file(file), file)


def environment(colab, origin, home):
    """No way out but the local repository and the local wheels."""
    return os.environ | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{origin}.insteadOf",
        "GIT_CONFIG_VALUE_0": URL,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(colab / "wheels"),
        "https_proxy": "http://127.0.0.1:9",
    }


def opened_alone(path, n_code=None):
    """The notebook as `make stamp` writes it, up to its n-th code cell."""
    notebook = stamp.stamped(nbformat.read(path, as_version=4), path.name, URL)
    for cell in notebook.cells:
        cell.outputs = [] if cell.cell_type == "code" else cell.get("outputs")
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    notebook.cells = notebook.cells[: code[:n_code][-1] + 1]
    return notebook


def execute(notebook, colab, environment, folder):
    kernels = KernelSpecManager(kernel_dirs=[str(colab / "kernels")])
    NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="colab", kernel_spec_manager=kernels),
        resources={"metadata": {"path": str(folder)}},
        timeout=300,
    ).execute(env=environment)


def names_in(colab):
    packages = next(colab.glob("lib/python*/site-packages"))
    return {path.name.lower().split("-")[0]: path.lstat().st_mtime for path in packages.iterdir()}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_opened_alone(path, colab, origin, tmp_path):
    """The bootstrap cell and the imports, in a folder that holds nothing else."""
    folder = tmp_path / "content"
    folder.mkdir()
    nbformat.write(opened_alone(path), folder / path.name)
    before = names_in(colab)
    notebook = opened_alone(path, n_code=2)
    notebook.cells.append(nbformat.v4.new_code_cell("import cnn; print(cnn.__file__)"))
    execute(notebook, colab, environment(colab, origin, tmp_path), folder)

    printed = notebook.cells[-1].outputs[0].text.strip()
    assert printed == str(folder / "course" / "notebooks" / "cnn" / "__init__.py")
    assert {path.name for path in folder.iterdir()} == {path.name, "course"}
    shallow = ["git", "-C", folder / "course", "rev-parse", "--is-shallow-repository"]
    assert subprocess.check_output(shallow, text=True) == "true\n"
    after = names_in(colab)
    assert {name: after[name] for name in before} == before, "what was there is untouched"
    assert set(after) - set(before) <= set(LACKING)
    assert set(after) >= set(LACKING)


def test_after_a_restart_of_the_kernel(colab, origin, tmp_path):
    for _ in range(2):
        notebook = opened_alone(NOTEBOOKS[0], n_code=1)
        execute(notebook, colab, environment(colab, origin, tmp_path), tmp_path)


GO_ON = """
from cnn import plotting
print(plotting.__file__)
print(os.getcwd())"""


def bootstrap(folder, in_colab=False, times=1, url=URL, **variables):
    """Run the bootstrap cell as a script in this folder, as a kernel would with '' on its path."""
    stand_in = 'import sys; sys.modules["google.colab"] = sys\n' if in_colab else ""
    cell = stamp.bootstrap(url) + "\n"
    return subprocess.run(
        [sys.executable, "-c", stand_in + times * cell + GO_ON],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_found(done, notebooks):
    expected = f"{notebooks / 'cnn' / 'plotting.py'}\n{notebooks}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_the_cell_is_short():
    assert len(stamp.bootstrap(URL).splitlines()) <= 45


def test_outside_colab_nothing_is_fetched(tmp_path):
    done = bootstrap(tmp_path)
    assert done.returncode == 1
    assert f"git clone {URL}" in done.stderr
    assert f"neither in {tmp_path} nor in {tmp_path / 'notebooks'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [REPOSITORY, REPOSITORY / "notebooks"], ids=["root", "lessons"])
def test_in_the_course_it_finds_the_package(folder):
    assert_found(bootstrap(folder), REPOSITORY / "notebooks")


def test_run_twice_in_one_kernel():
    assert_found(bootstrap(REPOSITORY, times=2), REPOSITORY / "notebooks")


@pytest.fixture
def checkout(tmp_path):
    """A copy of the course's folders, in which a test may put more."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "cnn").symlink_to(REPOSITORY / "notebooks" / "cnn")
    return tmp_path


@pytest.mark.parametrize("files", [[], ["__init__.py", "training.py"]], ids=["empty", "package"])
def test_a_folder_cnn_of_the_reader_does_not_win(checkout, files):
    own = checkout / "cnn"
    own.mkdir()
    for name in files:
        (own / name).write_text("")
    assert_found(bootstrap(checkout), checkout / "notebooks")


def test_only_a_folder_cnn_of_the_reader(tmp_path):
    (tmp_path / "cnn").mkdir()
    done = bootstrap(tmp_path)
    assert done.returncode == 1
    assert f"neither in {tmp_path} nor" in done.stderr


def local(origin):
    return environment(Path("/nowhere"), origin, origin.parent)


@pytest.mark.parametrize("left", ["nothing", "a clone without its files", "a folder of the reader"])
def test_a_clone_that_was_broken_off_is_repaired(left, origin, tmp_path):
    course = tmp_path / "course"
    if left != "nothing":
        (course / ".git").mkdir(parents=True)
    if left == "a folder of the reader":
        (course / "essay.txt").write_text("mine")
    for _ in range(2):
        assert_found(bootstrap(tmp_path, in_colab=True, **local(origin)), course / "notebooks")
    aside = {path.name.rpartition("-")[0] for path in tmp_path.iterdir()} - {""}
    assert aside == (set() if left == "nothing" else {"course-broken"})
    if left == "a folder of the reader":
        (essay,) = tmp_path.glob("course-broken-*/essay.txt")
        assert essay.read_text() == "mine", "nothing is deleted"


def test_a_clone_that_fails_leaves_nothing(tmp_path):
    done = bootstrap(tmp_path, in_colab=True, url=f"file://{tmp_path}/nowhere")
    assert done.returncode == 1
    assert "Could not fetch the course" in done.stderr
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_packages_are_fetched_again_after_pip_failed(origin, tmp_path):
    """The clone is there by then; what pip did not bring must not be forgotten."""
    lacking = stamp.missing_in_colab()
    code = stamp.bootstrap(URL).replace(lacking, '"no_such_module==1"')
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", 'import sys; sys.modules["google.colab"] = sys\n' + code],
            cwd=tmp_path,
            env=local(origin),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "no_such_module" in done.stderr
        assert (tmp_path / "course" / "notebooks").is_dir()
