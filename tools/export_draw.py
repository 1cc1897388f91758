"""Write the network of the lesson on training for the page that runs it in the browser.

    python tools/export_draw.py     # after the lesson on training

demos/draw/weights.bin holds the parameters in half precision, in the order of the state_dict, and
weights.json what they are and how well they read. demos/shared/digits.bin and digits.json hold test
digits: some to begin with, and some that the network gets wrong. demos/draw.png shows the page
where no script runs. tests/vectors/network.bin and network.json hold the logits that PyTorch
computes, to compare with. All numbers are little-endian.
"""

import argparse
import json
import sys
import zlib
from copy import deepcopy
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from exporting import DEMOS, REPOSITORY, ExportError

from cnn import plotting
from cnn.data import DataError, as_tensors, batches, load_mnist
from cnn.models import CNN
from cnn.training import writable_folder

FIRST_DIGITS = 100  # test digits that the page shows in turn
WRONG_DIGITS = 60  # at most, of those that the network gets wrong
COMPARED = 1000  # test digits whose logits are stored
SURE = 0.8  # below this probability the page says that the network is guessing
LOWEST_ACCURACY = 95  # percent; the network of the lesson on training reads 98 to 99


def main(arguments=None):
    """Run from the command line; ends with 0, or 1 after an error."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "--weights", type=Path, help="state_dict to export (default: the lesson on training's)"
    )
    parser.add_argument("--demos", type=Path, default=DEMOS)
    parser.add_argument("--vectors", type=Path, default=REPOSITORY / "tests" / "vectors")
    options = parser.parse_args(arguments)
    try:
        model = trained_network(options.weights or writable_folder() / "cnn.pt")
        export(model, *as_tensors(load_mnist(train=False)), options.demos, options.vectors)
    except (ExportError, DataError, OSError) as error:
        sys.exit(f"Error: {error}")


def trained_network(path):
    """The CNN with the parameters in the file.

    Raises:
        ExportError: the file is missing, damaged, or holds another network.
    """
    run = "Run the lesson on training, which saves it: python tools/run_series.py --in-place 03"
    if not path.exists():
        raise ExportError(f"There is no trained network at {path}.\n{run}")
    model = CNN()
    try:
        model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise ExportError(
            f"{path} does not hold the CNN of the lesson on training ({error}).\n{run}"
        ) from error
    return model.eval()


def export(model, X, y, demos, vectors):
    """Write all files from a trained model and the test digits X (N, 1, 28, 28), y (N,).

    Raises:
        ExportError: the network reads less than 95 % of the digits.
    """
    stored = in_half_precision(model)
    logits = logits_of(stored, X)
    report = quality(logits, y)
    if report["accuracy"] < LOWEST_ACCURACY:
        raise ExportError(
            f"The network reads {report['accuracy']} % of the test digits, and that of the lesson "
            "on training 98 to 99 %. Run the lesson on training to the end, then export again."
        )
    for folder in (demos / "draw", demos / "shared", vectors):
        folder.mkdir(parents=True, exist_ok=True)
    write_weights(stored, report, demos / "draw")
    write_digits(X, y, logits, demos / "shared")
    still_picture(stored, X[:1]).savefig(demos / "draw.png", dpi=110)
    plt.close()
    write_vectors(logits[:COMPARED], logits_of(model, X[:COMPARED]), vectors)
    print(
        f"{report['accuracy']} % of {len(y):,} test digits, in half precision -> {demos}, {vectors}"
    )


def in_half_precision(model):
    """A copy whose parameters are rounded to float16, and stored as float32 to compute with."""
    rounded = deepcopy(model)
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.half())
    return rounded


@torch.no_grad()
def logits_of(model, X):
    """The logits (N, 10) in float32, with dropout off."""
    model.eval()
    return torch.cat([model(X_batch) for X_batch, _ in batches(X, X, 1000)])


def quality(logits, y):
    """What the page says about the network: its accuracy, and how often it is wrong when unsure."""
    probability, predicted = logits.softmax(dim=1).max(dim=1)
    wrong, unsure = predicted != y, probability < SURE
    return {
        "digits": len(y),
        "wrong": wrong.sum().item(),
        "accuracy": round(100 * (~wrong).float().mean().item(), 2),
        "sure": SURE,
        "unsure": unsure.sum().item(),
        "unsure_and_wrong": (unsure & wrong).sum().item(),
    }


def write_weights(model, report, folder):
    tensors = model.state_dict()
    content = b"".join(as_bytes(t, "<f2") for t in tensors.values())
    shapes = [{"name": name, "shape": list(t.shape)} for name, t in tensors.items()]
    write_pair(folder, "weights", content, {"dtype": "float16", "test": report, "tensors": shapes})


def write_digits(X, y, logits, folder):
    """The first test digits, then those that the network gets wrong, one byte for each pixel."""
    predicted = logits.argmax(dim=1)
    wrong = (predicted != y).nonzero()[:, 0].tolist()
    first = list(range(FIRST_DIGITS))
    indices = first + [i for i in wrong if i >= FIRST_DIGITS][:WRONG_DIGITS]
    digits = [
        {"index": i, "label": y[i].item(), "prediction": predicted[i].item()} for i in indices
    ]
    content = as_bytes((255 * X[indices]).round(), "u1")
    write_pair(folder, "digits", content, {"dtype": "uint8", "digits": digits})


def write_vectors(logits, exact_logits, folder):
    """The logits with the stored parameters, then with those before rounding, (2, N, 10)."""
    content = as_bytes(torch.stack([logits, exact_logits]), "<f4")
    shape = [2, *logits.shape]
    write_pair(folder, "network", content, {"dtype": "float32", "shape": shape})


def write_pair(folder, name, content, description):
    """NAME.bin with the numbers, and NAME.json that describes them."""
    file = {"file": f"{name}.bin", "bytes": len(content), "crc32": zlib.crc32(content)}
    (folder / f"{name}.bin").write_bytes(content)
    (folder / f"{name}.json").write_text(json.dumps(file | description) + "\n")


def as_bytes(tensor, dtype):
    return tensor.detach().contiguous().numpy().astype(dtype).tobytes()


@torch.no_grad()
def still_picture(model, digit):
    """The stages of the network for one digit (1, 1, 28, 28) and its answer; returns the figure."""
    plotting.use_course_style()
    conv1 = model[1](model[0](digit))  # (1, 32, 26, 26)
    conv2 = model[3](model[2](conv1))  # (1, 64, 24, 24)
    probabilities = model(digit).softmax(dim=1)[0]
    figure, axes = plt.subplots(
        1, 4, figsize=(12, 3.2), width_ratios=[1, 1.1, 1.1, 1.3], layout="constrained"
    )
    plotting.show_pixels(axes[0], digit[0, 0], title="input, 28 × 28")
    plotting.show_pixels(axes[1], mosaic(conv1[0], 6), vmax=None, title="32 maps, 26 × 26")
    plotting.show_pixels(axes[2], mosaic(conv2[0], 8), vmax=None, title="64 maps, 24 × 24")
    axes[3].barh(range(10), probabilities, color=plotting.OUTPUT)
    axes[3].set(yticks=range(10), xlim=(0, 1), xlabel="probability", title="the answer")
    axes[3].invert_yaxis()
    return figure


def mosaic(maps, columns):
    """Maps (C, H, W) side by side in rows, with a line of zeros between them."""
    C, H, W = maps.shape
    rows = -(-C // columns)
    padded = torch.zeros(rows * columns, H + 2, W + 2)
    padded[:C, 1:-1, 1:-1] = maps
    return padded.view(rows, columns, H + 2, W + 2).transpose(1, 2).flatten(2).flatten(0, 1)


if __name__ == "__main__":
    main()
