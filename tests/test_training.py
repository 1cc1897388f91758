import copy
import math

import pytest
import torch
from torch import nn

from cnn import training
from cnn.data import batches
from cnn.training import evaluate, train_network, train_one_epoch

LOSS = nn.CrossEntropyLoss()


@pytest.fixture
def problem():
    """Three classes that one feature tells apart: X (50, 3), y (50,)."""
    torch.manual_seed(0)
    y = torch.randint(0, 3, (50,))
    return nn.functional.one_hot(y, 3).float() + 0.1 * torch.randn(50, 3), y


@pytest.fixture
def model():
    torch.manual_seed(1)
    return nn.Linear(3, 3)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    monkeypatch.setattr(training, "has_fast_bfloat16", lambda device: False)


def test_zero_logits_cost_log_of_the_number_of_classes(problem, model):
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    loss, accuracy = evaluate(model, *problem, LOSS)
    assert loss == pytest.approx(math.log(3))
    assert accuracy == pytest.approx(100 * (problem[1] == 0).float().mean().item())


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_evaluate_averages_per_sample(problem, model, batch_size):
    X, y = problem
    loss, accuracy = evaluate(model, X, y, LOSS, batch_size)
    assert loss == pytest.approx(LOSS(model(X), y).item(), rel=1e-5)
    assert accuracy == pytest.approx(100 * (model(X).argmax(1) == y).float().mean().item())


def test_evaluate_switches_dropout_off_and_learns_nothing(problem):
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 3)).train()
    before = copy.deepcopy(model.state_dict())
    assert evaluate(model, *problem, LOSS) == evaluate(model, *problem, LOSS)
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_train_one_epoch_is_this_loop(problem, model):
    X, y = problem
    reference = copy.deepcopy(model)
    torch.manual_seed(3)
    loss, accuracy = train_one_epoch(
        model, X, y, LOSS, torch.optim.SGD(model.parameters(), lr=0.5), batch_size=20
    )
    torch.manual_seed(3)
    total = right = 0
    for X_batch, y_batch in batches(X, y, 20, shuffle=True):
        reference.zero_grad()
        batch_loss = LOSS(reference(X_batch), y_batch)
        batch_loss.backward()
        total += batch_loss.item() * len(y_batch)
        with torch.no_grad():
            right += (reference(X_batch).argmax(1) == y_batch).sum().item()
            for parameter in reference.parameters():
                parameter -= 0.5 * parameter.grad
    assert torch.allclose(model.weight, reference.weight, atol=1e-6)
    assert loss == pytest.approx(total / 50, rel=1e-5)
    assert accuracy == pytest.approx(2 * right)


def test_training_mode_is_switched_on(problem):
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 3)).eval()
    train_one_epoch(model, *problem, LOSS, torch.optim.SGD(model.parameters(), lr=0.1))
    assert model.training


def test_shuffle_is_optional(problem, model):
    """Without it the order is the stored one, and the random state is not touched."""
    seen = []
    model.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_one_epoch(model, *problem, LOSS, optimizer, batch_size=20, shuffle=False)
    assert torch.equal(torch.cat(seen), problem[0])
    seen.clear()
    train_one_epoch(model, *problem, LOSS, optimizer, batch_size=20)
    assert not torch.equal(torch.cat(seen), problem[0])


def test_train_network_learns_and_reports(problem, model, capsys):
    history = train_network(model, problem, problem, epochs=4, lr=0.3, batch_size=10)
    assert len(history) == 4
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].val_accuracy > 95
    assert evaluate(model, *problem, LOSS) == history[-1][2:]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[-1].startswith("epoch 4/4")
    assert f"{history[-1].val_accuracy:.2f} %" in lines[-1]


def test_the_same_seed_gives_the_same_run(problem):
    def run():
        torch.manual_seed(5)
        return train_network(nn.Linear(3, 3), problem, problem, epochs=2, batch_size=10)

    assert run() == run()


def test_pick_device_computes():
    device = training.pick_device()
    assert torch.ones(2, device=device).sum() == 2


def test_pick_device_without_accelerator(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    assert training.pick_device() == torch.device("cpu")


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_mixed_precision_only_where_it_is_fast(monkeypatch, fast, dtype):
    monkeypatch.setattr(training, "has_fast_bfloat16", lambda device: fast)
    with training.mixed_precision(torch.device("cpu")):
        assert nn.Linear(4, 4)(torch.ones(1, 4)).dtype == dtype


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"avx2": True, "avx512_bf16": False}, False),
        ({}, False),
    ],
)
def test_which_processors_have_fast_bfloat16(monkeypatch, capabilities, expected):
    monkeypatch.undo()  # the fixture that says no
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert training.has_fast_bfloat16(torch.device("cpu")) is expected


def test_no_fast_bfloat16_where_torch_cannot_tell(monkeypatch):
    monkeypatch.undo()
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert training.has_fast_bfloat16(torch.device("cpu")) is False
    assert training.has_fast_bfloat16(torch.device("mps")) is False


def test_zero_logits_of_ten_classes():
    """-log(1/10): what an untrained classifier of digits should cost."""
    model = nn.Linear(4, 10)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    loss, _ = evaluate(model, torch.rand(23, 4), torch.arange(23) % 10, LOSS, batch_size=5)
    assert loss == pytest.approx(math.log(10)) == pytest.approx(2.302585)


def test_one_epoch_lowers_the_loss(problem, model):
    before, _ = evaluate(model, *problem, LOSS)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    train_one_epoch(model, *problem, LOSS, optimizer, batch_size=10)
    assert evaluate(model, *problem, LOSS)[0] < before


def test_keep_freed_memory_with_another_c_library(monkeypatch):
    def no_glibc(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(training.ctypes, "CDLL", no_glibc)
    assert training.keep_freed_memory() is False


def test_keep_freed_memory_asks_glibc(monkeypatch):
    asked = []

    class Glibc:
        @staticmethod
        def mallopt(parameter, value):
            asked.append((parameter, value))
            return 1

    monkeypatch.setattr(training.sys, "platform", "linux")
    monkeypatch.setattr(training.ctypes, "CDLL", lambda name: Glibc)
    assert training.keep_freed_memory() is True
    assert asked == [(-4, 0), (-1, 2**31 - 1)]  # M_MMAP_MAX, M_TRIM_THRESHOLD in malloc.h


def test_keep_freed_memory_only_on_linux(monkeypatch):
    monkeypatch.setattr(training.sys, "platform", "darwin")
    assert training.keep_freed_memory() is False


def test_writable_folder_falls_back_to_the_cache(monkeypatch, tmp_path):
    blocked = tmp_path / "repository"
    blocked.mkdir()
    (blocked / "notebooks").write_text("a file where a folder should be")
    monkeypatch.setattr(training, "REPOSITORY", blocked)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert training.writable_folder() == tmp_path / "cache" / "cnn-course"
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked / "notebooks"))
    with pytest.raises(OSError, match="XDG_CACHE_HOME"):
        training.writable_folder()


def test_weights_of_others_are_not_overwritten(monkeypatch, tmp_path):
    """In a folder that several people share, a file of another one may be there already."""
    shared = tmp_path / "notebooks" / "checkpoints"
    shared.mkdir(parents=True)
    (shared / "cnn.pt").write_text("the other's")
    monkeypatch.setattr(training, "REPOSITORY", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert training.writable_folder() == shared
    access = training.os.access
    monkeypatch.setattr(
        training.os, "access", lambda path, mode: path.name != "cnn.pt" and access(path, mode)
    )
    assert training.writable_folder() == tmp_path / "cache" / "cnn-course"


def test_writable_folder_without_a_home(monkeypatch, tmp_path):
    def unknown(*_):
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr(training, "REPOSITORY", tmp_path)
    assert training.writable_folder() == tmp_path / "notebooks" / "checkpoints"
