import importlib.util
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image

from cnn import plotting
from cnn.training import Epoch


def contrast(a, b):
    """WCAG 2.2 contrast ratio of two colours."""

    def luminance(colour):
        channels = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in mpl.colors.to_rgb(colour)
        ]
        return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_colours():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#838383", "#ffffff") == pytest.approx(3.79, abs=0.01)


@pytest.fixture
def style():
    with mpl.rc_context():
        plotting.use_course_style()
        yield mpl.rcParams
    plt.close("all")


def test_every_text_colour_is_readable(style):
    names = ["text.color", "axes.titlecolor", "axes.labelcolor", "xtick.labelcolor"]
    names += ["ytick.labelcolor", "legend.labelcolor"]
    colours = [style[name] for name in names] + [plotting.MUTED, *plotting.SERIES]
    assert all(contrast(colour, plotting.PAPER) >= 4.5 for colour in colours), colours


def test_lines_differ_without_colour(style):
    styles = style["axes.prop_cycle"].by_key()["linestyle"]
    assert len(set(styles[:4])) == 4


@pytest.mark.parametrize("name", [plotting.PIXELS, plotting.SIGNED, "Blues", "Oranges"])
def test_numbers_on_a_colormap_are_readable(name):
    for value in range(0, 256, 5):
        background = mpl.colormaps[name](value)
        assert contrast(plotting.contrasting(background), background) >= 4.5, value


def test_the_style_of_ambivalent_is_used(style):
    assert style["grid.linestyle"] == "--"
    assert style["legend.frameon"] is False


def test_the_style_loads_without_ambivalent(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ambivalent" else find(name)
    )
    with mpl.rc_context():
        plotting.use_course_style()
        assert mpl.rcParams["text.color"] == plotting.INK


def test_no_glyph_and_no_font_is_missing(style, caplog, recwarn):
    figure, ax = plt.subplots()
    ax.set_title("3 × 3 → 1 − ½ ≥ ⌊x⌋")
    with caplog.at_level(logging.WARNING, logger="matplotlib.font_manager"):
        figure.canvas.draw()
    assert caplog.messages == []
    assert [str(w.message) for w in recwarn if "Glyph" in str(w.message)] == []


def test_show_numbers_writes_each_number(style):
    _, ax = plt.subplots()
    plotting.show_numbers(ax, torch.tensor([[1.0, -2.0], [0.0, -0.0]]))
    assert [text.get_text() for text in ax.texts] == ["1", "−2", "0", "0"]


def test_show_images(style):
    figure = plotting.show_images(torch.rand(7, 4, 4), titles=list("abcdefg"), columns=5)
    assert [ax.get_title() for ax in figure.axes] == [*"abcdefg", "", "", ""]
    assert sum(bool(ax.images) for ax in figure.axes) == 7


def test_plot_history(style):
    figure = plotting.plot_history([Epoch(2.0, 50.0, 1.5, 60.0), Epoch(1.0, 70.0, 0.8, 80.0)])
    accuracy, loss = figure.axes
    assert accuracy.lines[0].get_ydata().tolist() == [50, 70]
    assert loss.lines[1].get_ydata().tolist() == [1.5, 0.8]


def test_plot_confusion_shows_every_count(style):
    matrix = torch.arange(100).view(10, 10)
    figure = plotting.plot_confusion(matrix)
    assert [int(text.get_text()) for text in figure.axes[0].texts] == list(range(100))
    assert matrix.diagonal().sum() > 0, "the matrix of the caller must stay as it is"


def test_animated_png():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "white", "blue")]
    picture = Image.open(io.BytesIO(plotting.animated_png(frames, milliseconds=100)))
    assert picture.format == "PNG"
    assert picture.n_frames == 3
    assert picture.info["duration"] == 100


def in_a_process(code, folder, **environment):
    """What the code prints, in a process with this environment."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(plotting.__file__).parents[1],
        env=os.environ | environment | {"MPLCONFIGDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_matplotlibrc_of_the_machine_does_not_leak_in(tmp_path):
    """The same figure, whatever the file says: digits on their feet, and no LaTeX."""
    code = (
        "import matplotlib as mpl; mpl.use('Agg'); import hashlib, torch\n"
        "from cnn import plotting; plotting.use_course_style()\n"
        "figure = plotting.show_images(torch.eye(4)[None], titles=['1 %'])\n"
        "figure.canvas.draw()\n"
        "print(hashlib.sha256(figure.canvas.buffer_rgba()).hexdigest())"
    )
    plain, changed = tmp_path / "plain", tmp_path / "changed"
    plain.mkdir()
    changed.mkdir()
    (changed / "matplotlibrc").write_text(
        "image.origin: lower\ntext.usetex: True\nfigure.dpi: 30\naxes.grid: True\n"
    )
    assert in_a_process(code, plain) == in_a_process(code, changed)


def test_figures_appear_in_a_notebook_whatever_the_backend(tmp_path):
    cells = [
        "from cnn.plotting import use_course_style\nuse_course_style()",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(
        notebook, resources={"metadata": {"path": str(Path(plotting.__file__).parents[1])}}
    ).execute(env=os.environ | {"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(tmp_path)})
    assert notebook.cells[0].outputs == []
    (output,) = notebook.cells[1].outputs
    assert "image/png" in output.data
