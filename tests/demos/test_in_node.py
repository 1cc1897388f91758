"""The modules that know of no page, run by Node: their numbers against PyTorch's."""

import itertools
import json
import random
import shutil
import subprocess

import handwriting
import matplotlib as mpl
import pytest
import torch
import torch.nn.functional as F
from demo_pages import REPOSITORY

from cnn.figures import convolution as figures
from cnn.shapes import output_size

RANGES = {"N": (3, 28), "K": (1, 7), "S": (1, 5), "P": (0, 4), "D": (1, 4)}


def in_node(*command, **options):
    """Run Node in the repository."""
    if not shutil.which("node"):
        pytest.skip("node, which runs the JavaScript, is not on PATH")
    return subprocess.run(
        ["node", *command], cwd=REPOSITORY, capture_output=True, text=True, **options
    )


@pytest.mark.parametrize("name", ["network", "drawing", "numbers", "address"])
def test_in_node(name):
    done = in_node("--test", f"tests/js/{name}.test.mjs")
    assert done.returncode == 0, done.stdout + done.stderr


def test_digits_of_six_handwritings_and_four_sizes_are_read():
    """All 240; the ink alone, made larger as it is, gets thick where a drawing is small."""
    drawings = list(handwriting.drawings())
    strokes = json.dumps([drawing for *_, drawing in drawings])
    answers = json.loads(in_node("tests/js/handwriting.mjs", input=strokes, check=True).stdout)
    digits = torch.tensor([digit for _, digit, *_ in drawings])
    again = torch.tensor([one["again"] for one in answers])
    enlarged = torch.tensor([one["enlarged"] for one in answers])
    right = again.argmax(1) == digits
    sure = again.amax(1) >= 0.8
    assert right.float().mean() >= 0.95
    assert (sure & ~right).sum() <= 2, "seldom sure and wrong"
    assert (enlarged.argmax(1) == digits).float().mean() < 0.75


# --- convolution, kernels and colours -------------------------------------------------------------


def random_case(source, op):
    """Settings in the ranges of the page, an image and a kernel; in half of them whole numbers."""
    N, K, S, P, D = (source.randint(*limits) for limits in RANGES.values())
    N = source.choice([N, source.randint(3, 9)])
    whole = source.random() < 0.5

    def values(n):
        rows = torch.randn(n, n, generator=torch.Generator().manual_seed(source.getrandbits(32)))
        rows = (5 * rows).round() + 0.0 if whole else rows.double()
        return rows.tolist()

    settings = {"K": K, "P": P, "S": S, "D": D}
    return {
        "op": op,
        "image": values(N),
        "kernel": values(K),
        "settings": settings,
        "whole": whole,
    }


@pytest.fixture(scope="module")
def asked():
    """What Node is asked: 600 random cases, sizes, kernels, and places on the colour scales."""
    source = random.Random(0)
    return {
        "cases": [random_case(source, op) for op in ("conv", "pool") for _ in range(300)],
        "sizes": list(itertools.product(range(1, 13), range(1, 6), range(3), (1, 2, 3), (1, 2, 3))),
        "K": list(range(1, 8)),
        "places": [i / 255 for i in range(256)],
    }


@pytest.fixture(scope="module")
def answer(asked):
    """What demos/shared/convolution.js makes of it."""
    done = in_node("tests/js/convolution.mjs", input=json.dumps(asked), check=True)
    return json.loads(done.stdout.replace('"-inf"', "-Infinity"))


def by_torch(op, image, kernel, settings):
    """The same in PyTorch, float64 (size, size)."""
    X = torch.tensor(image, dtype=torch.float64)[None, None]
    look = {"padding": settings["P"], "stride": settings["S"], "dilation": settings["D"]}
    if op == "pool":
        return F.max_pool2d(X, settings["K"], **look)[0, 0]
    return F.conv2d(X, torch.tensor(kernel, dtype=torch.float64)[None, None], **look)[0, 0]


def times_read(N, settings):
    """How many windows read each pixel, as the gradient of a sum."""
    image = torch.zeros(1, 1, N, N, requires_grad=True)
    ones = torch.ones(1, 1, settings["K"], settings["K"])
    look = {"padding": settings["P"], "stride": settings["S"], "dilation": settings["D"]}
    F.conv2d(image, ones, **look).sum().backward()
    return image.grad[0, 0]


def test_outputs_equal_those_of_torch(asked, answer):
    """Whole numbers exactly; others within the rounding of 64-bit sums in another order."""
    compared = {"conv": 0, "pool": 0}
    refused = {"conv": 0, "pool": 0}
    for case, found in zip(asked["cases"], answer["cases"], strict=True):
        whole = case.pop("whole")
        try:
            expected = by_torch(**case)
        except RuntimeError:
            assert "error" in found, case["settings"]
            refused[case["op"]] += 1
            continue
        output = torch.tensor(found["output"], dtype=torch.float64)
        assert output.shape == expected.shape
        if whole or case["op"] == "pool":
            assert torch.equal(output, expected), case["settings"]
        else:
            torch.testing.assert_close(output, expected, rtol=1e-13, atol=1e-13)
        times = times_read(len(case["image"]), case["settings"])
        assert torch.equal(torch.tensor(found["times"]).float(), times), case["settings"]
        compared[case["op"]] += 1
    assert min(compared.values()) > 100
    assert min(refused.values()) > 20, "settings that do not fit must be among them"


def test_sizes_and_refusals_are_those_of_cnn_shapes(asked, answer):
    for numbers, found in zip(asked["sizes"], answer["sizes"], strict=True):
        try:
            expected = output_size(*numbers)
        except ValueError as error:
            expected = {"error": str(error)}
        assert found == expected


def test_kernels_are_those_of_the_lesson(answer):
    names = {name.partition(" ")[0]: kernel for name, kernel in figures.KERNELS.items()}
    assert list(names) == list(answer["kernels"])
    for name, kernels in answer["kernels"].items():
        torch.testing.assert_close(torch.tensor(kernels[2]).float(), names[name])
        for K, kernel in enumerate(kernels, start=1):
            total = torch.tensor(kernel, dtype=torch.float64).sum().item()
            assert torch.tensor(kernel).shape == (K, K)
            assert total == pytest.approx(1 if name == "blur" else 0)


@pytest.mark.parametrize("name", ["Greys", "PuOr_r"])
def test_colours_are_those_of_matplotlib(asked, answer, name):
    expected = mpl.colormaps[name](asked["places"], bytes=True)[:, :3].astype(int)
    difference = abs(torch.tensor(answer["colours"][name]) - torch.tensor(expected))
    assert difference.max() <= 1
