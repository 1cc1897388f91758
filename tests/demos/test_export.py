"""What tools/export_draw.py and tools/export_explore.py write for the pages."""

import json

import export_draw
import export_explore
import numpy as np
import pytest
import torch
from demo_pages import DEMOS, REPOSITORY
from exporting import ExportError
from PIL import Image
from stored import explored, stored_tensors

from cnn.figures import convolution as figures
from cnn.models import CNN

VECTORS = REPOSITORY / "tests" / "vectors"

# --- for the page to draw on ----------------------------------------------------------------------


def test_the_stored_weights_give_the_stored_logits(stored_model, test_set):
    X, y = test_set
    logits = export_draw.logits_of(stored_model, X[:1000])
    expected = torch.from_numpy(np.fromfile(VECTORS / "network.bin", "<f4")).view(2, 1000, 10)
    assert (logits - expected[0]).abs().max() < 1e-4, "float32 sums in another order"
    assert (logits.argmax(dim=1) == y[:1000]).float().mean() > 0.97


def test_the_report_counts(test_set):
    y = torch.tensor([0, 1, 2, 3])
    logits = torch.full((4, 10), -10.0)
    logits[range(4), [0, 1, 2, 4]] = torch.tensor([10.0, 10, -9.5, 10])
    report = export_draw.quality(logits, y)
    assert report["digits"] == 4
    assert (report["wrong"], report["accuracy"]) == (1, 75.0)
    assert (report["unsure"], report["unsure_and_wrong"]) == (1, 0)


def test_export_writes_what_the_page_reads(tmp_path, monkeypatch, test_set):
    X, y = test_set[0][:300], test_set[1][:300]
    monkeypatch.setattr(export_draw, "LOWEST_ACCURACY", 0)
    monkeypatch.setattr(export_draw, "FIRST_DIGITS", 7)
    torch.manual_seed(0)
    model = CNN()
    export_draw.export(model, X, y, tmp_path / "demos", tmp_path / "vectors")
    for name, tensor in stored_tensors(tmp_path / "demos" / "draw").items():
        assert torch.equal(tensor, model.state_dict()[name].half().float()), name
    digits = json.loads((tmp_path / "demos" / "shared" / "digits.json").read_text())["digits"]
    pixels = np.fromfile(tmp_path / "demos" / "shared" / "digits.bin", "u1").reshape(-1, 28, 28)
    assert len(digits) == len(pixels) == 7 + export_draw.WRONG_DIGITS
    for digit, image in zip(digits, pixels):
        assert digit["label"] == y[digit["index"]]
        assert np.array_equal(image / np.float32(255), X[digit["index"], 0])
    assert all(digit["label"] != digit["prediction"] for digit in digits[7:])
    picture = np.asarray(Image.open(tmp_path / "demos" / "draw.png").convert("L"), dtype=float)
    assert picture.std() > 10


def test_the_still_picture_is_the_one_of_today(stored_model, test_set, tmp_path):
    export_draw.still_picture(stored_model, test_set[0][:1]).savefig(tmp_path / "draw.png", dpi=110)
    pictures = [Image.open(folder / "draw.png").convert("L") for folder in (DEMOS, tmp_path)]
    stored, fresh = (np.asarray(picture, dtype=float) for picture in pictures)
    assert stored.shape == fresh.shape
    assert np.abs(stored - fresh).mean() < 1, "run `make export`"


def test_an_untrained_network_is_not_exported(test_set, tmp_path):
    with pytest.raises(
        ExportError, match=r"reads .* % of the test digits.*Run the lesson on training"
    ):
        export_draw.export(CNN(), test_set[0][:100], test_set[1][:100], tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_damaged_file_is_explained(tmp_path):
    path = tmp_path / "cnn.pt"
    with pytest.raises(
        ExportError, match=r"(?s)no trained network at .*Run the lesson on training"
    ):
        export_draw.trained_network(path)
    path.write_bytes(b"no weights")
    with pytest.raises(ExportError, match=r"(?s)does not hold the CNN.*Run the lesson on training"):
        export_draw.trained_network(path)
    torch.save(torch.nn.Linear(2, 3).state_dict(), path)
    with pytest.raises(ExportError, match="does not hold the CNN"):
        export_draw.trained_network(path)
    with pytest.raises(SystemExit, match=r"Error: .*does not hold the CNN"):
        export_draw.main(["--weights", str(path)])


# --- for the explorer -----------------------------------------------------------------------------


def test_data_are_those_of_the_digits_and_the_exported_network():
    digits = [digit | {"corner": list(digit["corner"])} for digit in export_explore.ten_digits()]
    assert explored()["digits"] == digits
    assert explored()["learned"] == export_explore.learned_kernels(DEMOS / "draw")


def test_the_nine_is_the_one_of_the_figures():
    nine = explored()["digits"][9]
    image = torch.tensor([[int(tenths, 16) / 10 for tenths in row] for row in nine["rows"]])
    row, column = nine["corner"]
    torch.testing.assert_close(image[row : row + 8, column : column + 8], figures.crop())


def test_export_without_weights_says_what_to_do(tmp_path):
    with pytest.raises(ExportError, match=r"no usable weights.*make export"):
        export_explore.export(tmp_path)
