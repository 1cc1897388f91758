"""The engine of the pages, natively: exercises, random numbers, known differences."""

import json
import subprocess
import sys

import pytest
import torch
import try_cells

LESSONS = [one["name"].partition("-")[2] for one in try_cells.lessons()]


@pytest.mark.parametrize("lesson", LESSONS)
def test_exercises_answer_as_with_pytorch(stand_in, lesson):
    """Stub, solution, each wrong answer, exceptions: the same tests, with the stand-in."""
    ran = stand_in(
        "import sys, pytest\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', '--rootdir=..', "
        f"'-c', '../pyproject.toml', '../tests/test_exercises.py', '-k', '[{lesson}-']))"
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]


RANDOM = """
import json, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
torch.manual_seed(0)
g = torch.Generator().manual_seed(7)
found = [torch.rand(5), torch.randn(3), torch.randn(20), torch.randint(10, (6,)), torch.randn(2, 9)]
found += [torch.randperm(9), torch.randn(4, generator=g), torch.randperm(7, generator=g)]
found += [torch.rand(3, dtype=torch.float64), torch.randn(40, dtype=torch.float64)]
layer = nn.Conv2d(2, 3, 3)
found += [layer.weight, layer.bias, nn.Linear(4, 3).weight]
parts = random_split(range(10), [7, 3], generator=torch.Generator().manual_seed(55))
found += [torch.tensor(list(parts[0].indices))]
loader = DataLoader(TensorDataset(torch.arange(12)), batch_size=5, shuffle=True)
found += [batch[0] for batch in loader]
found += [torch.rand(2)]
print("FOUND", json.dumps([t.tolist() for t in found]))
"""


def found(text):
    return json.loads(text.partition("FOUND ")[2])


def test_random_numbers_are_those_of_pytorch(stand_in):
    ours = stand_in(RANDOM)
    theirs = subprocess.run([sys.executable, "-c", RANDOM], capture_output=True, text=True)
    for mine, due in zip(found(ours.stdout), found(theirs.stdout), strict=True):
        mine, due = torch.tensor(mine).double(), torch.tensor(due).double()
        assert torch.allclose(mine, due, atol=1e-6), (mine, due)


TYPES = """
import json, torch
import torch.nn.functional as F
x = torch.arange(6, dtype=torch.uint8).view(2, 3)
d = torch.ones(2, 3, dtype=torch.float64)
found = [x, x + 1, x.float(), x / 255, x.sum(), d, d * 2, torch.cat([d, d]), d @ d.T, d.float()]
found += [d.mean(dim=(0, 1)), x.int(), F.conv2d(d[None, None], d[None, None]), x > 2]
found += [torch.stack([x, x]), torch.linalg.pinv(d), torch.where(x > 2, d, 0.0)]
print("FOUND", json.dumps([str(t.dtype) for t in found]))
"""


def test_types_are_those_of_pytorch(stand_in):
    ours = stand_in(TYPES)
    theirs = subprocess.run([sys.executable, "-c", TYPES], capture_output=True, text=True)
    assert found(ours.stdout) == found(theirs.stdout), ours.stderr


# What a reader can meet: the engine says that it lacks something, and gives no wrong value.
ABSENT = {
    "torch.set_default_dtype(torch.float64)": "not in the browser subset",
    "torch.zeros(2, dtype=torch.float16)": "float16",
    "torch.zeros(2).backward(create_graph=True)": "",
    "torch.zeros(2, device='cuda')": "cuda",
    "torch.distributed.init_process_group()": "is not in the engine of this page",
    "torch.profiler.profile()": "is not in the engine of this page",
    "torch.zeros(2).no_such_method()": "",
    "torch.zeros(2, 3) @ torch.zeros(2, 3)": "",
}


@pytest.mark.parametrize("code", ABSENT)
def test_what_the_engine_lacks_stops_with_a_message(stand_in, code):
    ran = stand_in(
        "import torch, torch.distributed, torch.profiler\n"
        f"try:\n    {code}\nexcept Exception as error:\n"
        "    print('SAID', type(error).__name__, error)"
    )
    assert "SAID" in ran.stdout, ran.stderr
    assert ABSENT[code] in ran.stdout


SESSION = """
import json, session
lesson = {"cells": [
    {"id": "a", "source": "", "exercise": None},
    {"id": "b", "source": "import math\\nx = [1]\\nprint('not shown')", "exercise": None},
    {"id": "c", "source": "x.append(2)\\ny = 5", "exercise": None},
    {"id": "d", "source": "def f():\\n    return x\\nf()", "exercise": None},
    {"id": "e", "source": "y = 6", "exercise": None},
]}
session.start(json.dumps(lesson))
def run(cell, source, texts="{}"):
    return json.loads(session.run(cell, source, texts))["outputs"]
found = [run("d", lesson["cells"][3]["source"]), run("d", "print(1)\\n1 / 0"), run("d", "print("),
         run("d", "f()"), run("e", "y", json.dumps({"c": "y = 7"})), run("e", "math.pi")]
found += [run("e", "None")]
print("FOUND", json.dumps(found))
"""


def test_a_cell_runs_with_what_it_needs_and_no_more(stand_in):
    ran = stand_in(SESSION)
    outputs = found(ran.stdout)
    assert outputs[0] == [{"kind": "text", "text": "[1, 2]"}], "what changes x has run"
    assert [one["kind"] for one in outputs[1]] == ["text", "error"]
    assert outputs[1][1]["text"] == "line 2: 1 / 0\nZeroDivisionError: division by zero"
    assert outputs[2][0]["text"].startswith("line 1: print(\nSyntaxError")
    assert outputs[3][0]["text"] == "[1, 2]", "nothing runs twice"
    assert outputs[4][0]["text"] == "7", "an earlier cell as the reader changed it"
    assert outputs[5][0]["text"] == "3.141592653589793"
    assert outputs[6] == []
