"""The page that trains: its numbers against PyTorch's, its mistakes, and the page in a browser."""

import gzip
import json
import math
from functools import cache
from statistics import mean

import pytest
import torch
from demo_pages import DEMOS, TRAIN
from test_in_node import in_node
from torch import nn
from visitor import click, open_page, text_of, wait_for

from cnn.data import as_tensors, load_mnist

WIDTH, SEEDS, FLOOR = 4, [0, 1, 2], math.log(math.e + 9) - 1
LAYERS = {"conv1": 0, "conv2": 3, "dense": 8}


def ask(what, **question):
    done = in_node("tests/js/train.mjs", input=json.dumps({"ask": what, **question}))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.replace("null", "NaN"))


@cache
def digits():
    return as_tensors(load_mnist(train=True))


def network(seed=0, width=WIDTH, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(1, width, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(width, 2 * width, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(dropout), nn.Linear(50 * width, 10)),
    )


def named(model, gradients=False):
    """Parameters or gradients by the names of the page, as lists."""
    values = {}
    for name, i in LAYERS.items():
        for kind in ("weight", "bias"):
            parameter = getattr(model[i], kind)
            values[f"{name}.{kind}"] = (
                parameter.grad if gradients else parameter.detach()
            ).flatten()
    return values


def lists(values):
    return {name: value.tolist() for name, value in values.items()}


# --- the numbers ----------------------------------------------------------------------------------


def test_the_digits_are_mnists():
    manifest = json.loads((DEMOS / "train" / "digits.json").read_text())
    content = gzip.decompress((DEMOS / "train" / "digits.bin.gz").read_bytes())
    assert len(content) == manifest["bytes"] == 6000 * 785
    X, y = digits()
    X_test, y_test = as_tensors(load_mnist(train=False))
    labels = torch.cat([y[:4000], y[-1000:], y_test[:1000]]).tolist()
    pixels = torch.cat([X[:4000], X[-1000:], X_test[:1000]]).mul(255).round().byte()
    assert list(content[:6000]) == labels
    assert content[6000:] == pixels.numpy().tobytes()


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("dropped", [False, True])
def test_gradients_of_every_layer_are_those_of_torch(softmax, dropped):
    model, n = network(), 5
    mask = torch.bernoulli(torch.full((50 * WIDTH,), 0.5)) * 2 if dropped else None
    found = ask(
        "gradients",
        parameters=lists(named(model)),
        n=n,
        softmax=softmax,
        mask=mask.tolist() if dropped else None,
    )
    X, y = digits()
    hidden = model[:8](X[:n])
    logits = model[8](hidden * mask if dropped else hidden)
    outputs = logits.softmax(1) if softmax else logits
    losses = nn.functional.cross_entropy(outputs, y[:n], reduction="none")
    losses.mean().backward()
    torch.testing.assert_close(torch.tensor(found["logits"]), logits.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.tensor(found["losses"]), losses.detach(), rtol=1e-5, atol=1e-6)
    for name, gradient in named(model, gradients=True).items():
        ours = torch.tensor(found["gradients"][name])
        torch.testing.assert_close(ours, gradient, rtol=1e-4, atol=1e-7, msg=name)


OPTIMIZERS = {
    "sgd": lambda p, rate: torch.optim.SGD(p, lr=rate),
    "momentum": lambda p, rate: torch.optim.SGD(p, lr=rate, momentum=0.9),
    "adam": lambda p, rate: torch.optim.Adam(p, lr=rate),
}


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.1), ("momentum", 0.01), ("adam", 0.001)])
@pytest.mark.parametrize("mistake", [None, "accumulate"])
def test_an_epoch_gives_the_weights_of_torch(optimizer, rate, mistake):
    """500 digits in batches of 32 (the last has 20), from the same weights in the same order."""
    rate = rate / 10 if mistake else rate
    model, n, batch = network(1), 500, 32
    X, y = digits()
    order = torch.randperm(n)
    settings = {"rate": rate, "batch": batch, "optimizer": optimizer, "width": WIDTH}
    settings |= {"dropout": 0, "images": n, "epochs": 1}
    found = ask(
        "epoch",
        parameters=lists(named(model)),
        order=order.tolist(),
        settings=settings,
        mistakes=[mistake] if mistake else [],
    )
    before = {name: value.clone() for name, value in named(model).items()}
    step = OPTIMIZERS[optimizer](model.parameters(), rate)
    for part in order.split(batch):
        if not mistake:
            step.zero_grad()
        nn.functional.cross_entropy(model(X[part]), y[part]).backward()
        step.step()
    for name, after in named(model).items():
        ours = torch.tensor(found[name])
        moved = (after - before[name]).norm()
        assert (ours - after).norm() < 1e-3 * moved, name


# --- the mistakes ---------------------------------------------------------------------------------


SETTINGS = {"images": 1000, "epochs": 3, "dropout": 0.5}


@pytest.fixture(scope="module")
def trained():
    """{mistake: [{losses, validation, again, test, cell}]} in the page's own code."""
    runs = {}
    for run in ask("mistakes", settings=SETTINGS, seeds=SEEDS):
        runs.setdefault(run["key"], []).append(run)
    return runs


@pytest.fixture(scope="module")
def by_torch(trained):
    """{mistake: [{first_loss, epoch_losses, validation, best}]}: the cells of the page, run."""
    results = {}
    for key, runs in trained.items():
        for run in runs:
            names = {"print": lambda *_: None}
            exec(compile(run["cell"], f"<cell {key}>", "exec"), names)
            results.setdefault(key, []).append(names)
    return results


def over_seeds(runs, value):
    return mean(value(run) for run in runs)


def test_without_mistakes_both_learn(trained, by_torch):
    ours = over_seeds(trained[""], lambda run: run["validation"][-1])
    theirs = over_seeds(by_torch[""], lambda run: run["validation"][-1])
    assert min(ours, theirs) > 0.8
    assert abs(ours - theirs) < 0.06


@pytest.mark.parametrize(
    "key", ["softmax", "sorted", "rate", "accumulate", "labels", "scale", "dead"]
)
def test_a_mistake_does_what_it_does_in_torch(trained, by_torch, key):
    """The mean validation accuracy over seeds falls in both, or stays in both; so does the loss."""
    right = over_seeds(by_torch[""], lambda run: run["validation"][-1])
    ours = over_seeds(trained[key], lambda run: run["validation"][-1])
    theirs = over_seeds(by_torch[key], lambda run: run["validation"][-1])
    assert abs(ours - theirs) < 0.25, (ours, theirs)
    if key in {"sorted", "labels", "dead"}:
        assert max(ours, theirs) < 0.35 < right - 0.3


def test_the_signs_that_the_page_names(trained, by_torch):
    for run in trained["softmax"]:
        assert min(run["losses"]) > FLOOR - 1e-6
    for run in by_torch["softmax"]:
        assert min(run["epoch_losses"]) > FLOOR - 1e-6
    assert all(run["losses"][0] > 2.5 for run in trained["scale"])
    assert all(run["first_loss"] > 2.5 for run in by_torch["scale"])
    for run in trained["dead"]:
        assert max(run["losses"]) < 3
        assert run["validation"][-1] < 0.2
    for run in trained["train"]:
        assert run["validation"] != run["again"]
        assert mean(run["validation"]) < mean(trained[""][run["seed"]]["validation"])
    for run in trained["rate"]:
        assert max(run["losses"][:20]) > max(trained[""][run["seed"]]["losses"]) + 0.5
    for run in trained["test"]:
        chosen_by_validation = run["test"][max(range(3), key=lambda i: run["validation"][i])]
        assert max(run["test"]) >= chosen_by_validation
    for runs in trained.values():
        for run in runs:
            assert run["key"] == "train" or run["validation"] == run["again"]


def test_the_cell_names_each_mistake_and_no_other(trained):
    for key, runs in trained.items():
        assert runs[0]["cell"].count("mistake") == (1 if key else 0), runs[0]["cell"]


# --- the page -------------------------------------------------------------------------------------


def finished(page, trainings):
    for _ in range(6):
        try:
            said = "document.getElementById('status').textContent.split('done in')"
            wait_for(page, f"{said}.length > {trainings}")
            return
        except AssertionError:
            continue
    raise AssertionError(text_of(page, "#status"))


def test_two_trainings_side_by_side(page, address):
    open_page(page, address, TRAIN)
    page.open(address + "train.html?images=500&epochs=1&mistakes=softmax", settle=0.3)
    assert [u for u in page.requested() if "digits.bin" in u] == [], (
        "nothing heavy before it is asked for"
    )
    click(page, "#start")
    finished(page, 2)
    facts = page.run("[...document.querySelectorAll('#facts-body td')].map(e => e.textContent)")
    assert abs(float(facts[0]) - math.log(10)) < 0.2
    assert text_of(page, "#sign").startswith(
        "Softmax before the loss: The loss cannot fall below 1.461"
    )
    assert page.run("document.querySelectorAll('.run canvas').length") == 8
    assert "mistake: softmax before the loss" in page.run(
        "document.getElementById('cell').textContent"
    )
    assert page.run("document.documentElement.scrollWidth") <= 1280


def test_the_curves_are_saved_as_a_picture(page, address):
    page.open(address + "train.html?images=100&epochs=1", settle=0.3)
    click(page, "#start")
    finished(page, 1)
    page.run("HTMLAnchorElement.prototype.click = function () { window.saved = this }")
    page.run("document.getElementById('save').click()")
    wait_for(page, "window.saved")
    assert page.run("saved.download") == "training.png"
    assert page.run("saved.href.startsWith('data:image/png') && saved.href.length > 20000")


def test_the_same_seed_gives_the_same_curve(page, address):
    seen = []
    for _ in range(2):
        page.open(address + "train.html?images=100&epochs=1&seed=3", settle=0.3)
        click(page, "#start")
        finished(page, 1)
        seen.append(text_of(page, "#facts-body"))
    assert seen[0] == seen[1]


def test_pause_and_go_on(page, address):
    page.open(address + "train.html?images=4000&epochs=30", settle=0.3)
    click(page, "#start")
    wait_for(page, "document.getElementById('status').textContent.includes('step 1')")
    click(page, "#pause")
    page.wait(0.5)
    held = text_of(page, "#status")
    page.wait(0.5)
    assert text_of(page, "#status") == held
    click(page, "#pause")
    wait_for(page, f"document.getElementById('status').textContent !== {json.dumps(held)}")
    click(page, "#reset")
    assert page.run("location.search") == ""


def test_the_address_carries_the_settings_and_refuses_others(page, address):
    page.open(address + "train.html?rate=7&mistakes=softmax,nonsense&epochs=3", settle=0.3)
    said = text_of(page, "#problems")
    assert "Learning rate can be" in said
    assert "no mistake “nonsense”" in said
    assert page.run("location.search") == "?epochs=3&mistakes=softmax"
    page.run("document.querySelector('[value=dead]').click()")
    assert page.run("location.search") == "?epochs=3&mistakes=softmax,dead"


def test_a_round_of_the_game(page, address):
    page.open(address + "train.html", settle=0.3)
    click(page, "#play")
    for _ in range(8):
        if page.run("document.querySelectorAll('#game-choices button').length") == 2:
            break
        page.wait(5)
    assert text_of(page, "#game-choices") == "AB"
    click(page, "#game-choices button")
    assert "is broken" in text_of(page, "#game-answer")
    assert page.run("document.querySelectorAll('#game-choices button').length") == 4
    click(page, "#game-choices button")
    assert "1 found and named" in text_of(page, "#game-text")


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("digits.bin.gz", lambda path: path.unlink(), "is missing"),
        ("digits.bin.gz", lambda path: path.write_bytes(b"no gzip"), "damaged or incomplete"),
        ("digits.json", lambda path: path.write_text("{}"), "does not describe"),
    ],
)
def test_without_digits_it_says_so(tab, copy, name, spoil, message):
    folder, address = copy
    spoil(folder / "train" / name)
    open_page(tab, address, TRAIN)
    click(tab, "#start")
    wait_for(tab, "!document.getElementById('problems').hidden")
    assert message in text_of(tab, "#problems")
    assert not tab.run("document.getElementById('start').disabled")


def test_without_a_worker_it_says_so(tab, copy):
    folder, address = copy
    (folder / "train" / "worker.js").unlink()
    open_page(tab, address, TRAIN)
    click(tab, "#start")
    wait_for(tab, "!document.getElementById('problems').hidden")
    assert "The training stopped" in text_of(tab, "#problems")
