"""tools/run_series.py, on small notebooks in a folder of their own."""

import base64
import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import course
import nbformat
import pytest
import run_series
import threads
from PIL import Image, ImageChops, ImageStat


@pytest.fixture
def folder(tmp_path, monkeypatch):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for name, source in [("01-good", "print(6 * 7)"), ("02-bad", "1 / 0")]:
        cells = [nbformat.v4.new_markdown_cell("# T"), nbformat.v4.new_code_cell(source)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), notebooks / f"{name}.ipynb")
    monkeypatch.setattr(run_series, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(run_series.table, "STORED", tmp_path / "seconds.csv")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # else it is measured, which takes a while
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["run_series.py", *map(str, arguments)])
    run_series.main()


def test_executes_into_a_folder_with_progress(folder, monkeypatch, capsys):
    run(monkeypatch, "--to", folder / "results", "01")
    executed = nbformat.read(folder / "results" / "01-good.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text == "42\n"
    assert executed.cells[1].execution_count == 1
    assert "language_info" in executed.metadata
    assert "version" not in executed.metadata.language_info
    printed = capsys.readouterr().out
    assert "01-good: cell 1/1" in printed
    assert str(folder / "results" / "01-good.ipynb") in printed
    original = nbformat.read(folder / "notebooks" / "01-good.ipynb", as_version=4)
    assert original.cells[1].outputs == []


def test_in_place(folder, monkeypatch):
    run(monkeypatch, "--in-place", "01")
    executed = nbformat.read(folder / "notebooks" / "01-good.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text == "42\n"


def test_a_failing_cell_stops_the_run_and_spares_the_original(folder, monkeypatch):
    before = (folder / "notebooks" / "02-bad.ipynb").read_bytes()
    with pytest.raises(SystemExit, match=r"02-bad.ipynb stopped at a failing cell(.|\n)*ZeroDiv"):
        run(monkeypatch, "--in-place")
    assert (folder / "notebooks" / "02-bad.ipynb").read_bytes() == before


def test_a_failing_cell_can_be_read_in_the_copy(folder, monkeypatch):
    with pytest.raises(SystemExit):
        run(monkeypatch, "--to", folder / "results", "02")
    copy = nbformat.read(folder / "results" / "02-bad.ipynb", as_version=4)
    assert copy.cells[1].outputs[0].ename == "ZeroDivisionError"


def test_command_line(folder):
    """As `make run` calls it: progress, the reason of a failure, and an exit status."""
    notebooks = str(folder / "notebooks")
    script = f"import run_series as r; r.NOTEBOOKS = r.Path({notebooks!r}); r.main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--to", str(folder / "results")],
        env=os.environ | {"PYTHONPATH": str(Path(run_series.__file__).parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "01-good: cell 1/1, " in done.stdout
    assert "02-bad.ipynb stopped at a failing cell" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_twice_in_one_kernel(folder, monkeypatch, capsys):
    rewrite(folder / "notebooks" / "01-good.ipynb", "n = globals().get('n', 0) + 1; assert n < 3")
    before = (folder / "notebooks" / "01-good.ipynb").read_bytes()
    run(monkeypatch, "--twice", "01")
    assert "01-good: twice in one kernel" in capsys.readouterr().out
    assert (folder / "notebooks" / "01-good.ipynb").read_bytes() == before
    assert not (folder / "seconds.csv").exists()


def test_what_passes_once_only_is_found(folder, monkeypatch):
    rewrite(folder / "notebooks" / "01-good.ipynb", "assert 'n' not in globals(); n = 1")
    with pytest.raises(SystemExit, match="stopped at a failing cell"):
        run(monkeypatch, "--twice", "01")


def test_seconds_of_each_cell(folder, monkeypatch, capsys):
    rewrite(folder / "notebooks" / "01-good.ipynb", "# a comment\nimport time; time.sleep(1.2)")
    run(monkeypatch, "--to", folder / "results", "01")
    assert "no stored table" in capsys.readouterr().out
    (row,) = run_series.table.read(folder / "results" / "seconds.csv")
    assert row[:2] == ("01-good", 1)
    assert row.first_line == "import time; time.sleep(1.2)"
    assert 1.1 < row.seconds < 60
    run(monkeypatch, "--in-place", "01")
    assert len(run_series.table.read(folder / "seconds.csv")) == 1


def test_the_number_of_threads_is_said(folder, monkeypatch, capsys):
    run(monkeypatch, "--to", folder / "results", "01")
    assert "1 thread(s), as OMP_NUM_THREADS says" in capsys.readouterr().out
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(threads, "choose", lambda: (3, "3 thread(s): so it was measured."))
    run(monkeypatch, "--to", folder / "results", "01")
    assert "3 thread(s): so it was measured." in capsys.readouterr().out
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_needs_to_be_told_where(folder, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "01")
    assert "--to --in-place --twice" in capsys.readouterr().err


def test_an_unknown_notebook(folder, monkeypatch):
    with pytest.raises(SystemExit, match=r"there are: .*01-good"):
        run(monkeypatch, "--to", folder, "77")


def test_resume_leaves_out_what_is_done(folder, monkeypatch, capsys):
    results = folder / "results"
    run(monkeypatch, "--to", results, "01")
    first = (results / "01-good.ipynb").stat().st_mtime_ns
    with pytest.raises(SystemExit):
        run(monkeypatch, "--to", results, "--resume")
    assert "01-good: done before" in capsys.readouterr().out
    assert (results / "01-good.ipynb").stat().st_mtime_ns == first

    bad = nbformat.read(folder / "notebooks" / "02-bad.ipynb", as_version=4)
    bad.cells[1].source = "print('mended')"
    nbformat.write(bad, folder / "notebooks" / "02-bad.ipynb")
    run(monkeypatch, "--to", results, "--resume")
    assert "mended" in (results / "02-bad.ipynb").read_text()


def test_resume_runs_a_failed_copy_again(folder, monkeypatch):
    for _ in range(2):
        with pytest.raises(SystemExit, match="failing cell"):
            run(monkeypatch, "--to", folder / "results", "--resume", "02")


def encoded(picture, **settings):
    file = io.BytesIO()
    picture.save(file, "PNG", **settings)
    return base64.b64encode(file.getvalue()).decode()


def test_pictures_are_stored_with_few_colours():
    """Half of a smooth picture's bytes go, its size and look stay; what moves is left alone."""
    shades, noise = Image.linear_gradient("L"), Image.effect_noise((256, 256), 20)
    picture = Image.merge("RGB", [shades, shades.rotate(90), noise])
    before = encoded(picture)
    after = run_series.slimmed(before)
    assert len(after) < len(before) / 2
    seen = Image.open(io.BytesIO(base64.b64decode(after))).convert("RGB")
    assert seen.size == picture.size
    difference = ImageChops.difference(seen, picture)
    assert ImageStat.Stat(difference).mean < [16, 16, 16]
    assert run_series.slimmed(after) == after
    frames = [picture, picture.rotate(90)]
    moving = encoded(frames[0], save_all=True, append_images=frames[1:])
    assert run_series.slimmed(moving) == moving


FOREIGN = {"argv": ["false", "{connection_file}"], "display_name": "Foreign", "language": "python"}


def test_the_kernel_is_the_python_of_this_environment(folder, monkeypatch):
    """Whatever another environment has put under the name python3."""
    kernel = folder / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps(FOREIGN))
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
    rewrite(folder / "notebooks" / "01-good.ipynb", "import sys; print(sys.executable)")
    run(monkeypatch, "--to", folder / "results", "01")
    executed = nbformat.read(folder / "results" / "01-good.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text.strip() == sys.executable


def test_lab_shows_it_first(monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", "elsewhere")
    [(arguments, environment)] = course.steps("lab", [], [])
    assert arguments[:2] == [course.program("jupyter"), "lab"]
    kernels = course.venv() / "share" / "jupyter"
    assert environment["JUPYTER_PATH"] == f"{kernels}{os.pathsep}elsewhere"


def rewrite(path, source):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = source
    nbformat.write(notebook, path)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:300])


def empty(path):
    path.write_bytes(b"")


def other_json(path):
    path.write_text("[]")


def no_text(path):
    path.write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize("damage", [cut_off, empty, other_json, no_text])
def test_a_copy_that_cannot_be_read_is_not_done(folder, monkeypatch, capsys, damage):
    copy = folder / "results" / "01-good.ipynb"
    run(monkeypatch, "--to", copy.parent, "01")
    damage(copy)
    run(monkeypatch, "--to", copy.parent, "--resume", "01")
    assert "cannot be read" in capsys.readouterr().out
    assert nbformat.read(copy, as_version=4).cells[1].outputs[0].text == "42\n"


def full(notebook, file):
    """Stands in for a disk that is full after 64 kB."""
    file.write("x" * 65_536)
    file.flush()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_what_was_there(folder, monkeypatch):
    copy = folder / "results" / "01-good.ipynb"
    run(monkeypatch, "--to", copy.parent, "01")
    before = [path.read_bytes() for path in (copy, folder / "notebooks" / "01-good.ipynb")]
    monkeypatch.setattr(run_series.nbformat, "write", full)
    for where in (["--to", copy.parent], ["--in-place"]):
        with pytest.raises(SystemExit, match=r"The results cannot be written: .*No space left"):
            run(monkeypatch, *where, "01")
    assert before == [path.read_bytes() for path in (copy, folder / "notebooks" / "01-good.ipynb")]
    for place in (copy.parent, folder / "notebooks"):
        names = {path.name for path in place.iterdir() if path.suffix != ".ipynb"}
        assert names <= {"seconds.csv"}, "no temporary file"
        assert not list(place.glob(".*"))


def command(folder, *arguments):
    notebooks = str(folder / "notebooks")
    script = f"import run_series as r; r.NOTEBOOKS = r.Path({notebooks!r}); r.main()"
    environment = os.environ | {"PYTHONPATH": str(Path(run_series.__file__).parent)}
    return [sys.executable, "-c", script, *map(str, arguments)], environment


def test_an_unusable_folder_is_noticed_before_work_starts(folder, monkeypatch, capsys):
    (folder / "file").write_text("")
    (folder / "blocked" / "01-good.ipynb").mkdir(parents=True)
    for target in ("file", "file/below", "blocked", "notebooks"):
        with pytest.raises(SystemExit, match="The results cannot be written into"):
            run(monkeypatch, "--to", folder / target)
    assert "cell" not in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kernel_too", [False, True])
def test_a_signal_ends_it_without_a_traceback(folder, number, kernel_too):
    """A batch system sends SIGTERM to all processes of the job, so to the kernel as well."""
    rewrite(
        folder / "notebooks" / "02-bad.ipynb",
        "import os, pathlib, time\n"
        "pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "time.sleep(99)",
    )
    words, environment = command(folder, "--to", folder / "results")
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    pid = folder / "notebooks" / "pid"
    for _ in range(300):
        if pid.exists() and pid.read_text():
            break
        time.sleep(0.2)
    kernel = int(pid.read_text())
    if kernel_too:
        os.kill(kernel, signal.SIGTERM)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "Stopped." in err
    assert "Traceback" not in out + err
    assert "Error" not in out + err
    assert [path.name for path in (folder / "results").glob("*.ipynb")] == ["01-good.ipynb"]
    time.sleep(0.5)
    assert not Path(f"/proc/{kernel}/cmdline").exists() or not running(kernel), "no kernel is left"


@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.8, 1.3])
def test_a_signal_while_a_kernel_starts(folder, seconds):
    rewrite(folder / "notebooks" / "02-bad.ipynb", "import time; time.sleep(99)")
    words, environment = command(folder, "--to", folder / "results")
    words[2] = words[2].replace("r.main()", "print('begins', flush=True); r.main()")
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while process.stdout.readline() != "begins\n":
        pass
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=60)[0]
    assert process.returncode in (143, -signal.SIGTERM)  # to a shell the same
    assert "Traceback" not in output
    assert "Error" not in output


def running(pid):
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
