"""When the processes ask each other whether to stop, and what a signal does."""

import signal

import pytest
import torch

from cnn import stopping
from cnn.distributed import World
from cnn.stopping import Agreement, NotFinite, StopFlag


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(stopping.time, "perf_counter", lambda: Clock.now)
    return Clock


@pytest.fixture
def asked(monkeypatch):
    """Counts the questions to all processes."""
    questions = []

    def total(values, device):
        questions.append(values)
        return [float(value) for value in values]

    monkeypatch.setattr(stopping, "total", total)
    return questions


LOSS = torch.tensor(0.5)


def agreement(flag=None):
    return Agreement(flag or StopFlag(), World(), torch.device("cpu"))


@pytest.mark.parametrize(
    ("seconds", "most"), [(0.005, 30), (0.05, 130), (2.0, 200)], ids=["fast", "usual", "slow"]
)
def test_it_asks_a_few_times_a_second(clock, asked, seconds, most):
    one = agreement()
    for _ in range(200):
        clock.now += seconds
        assert one.after_step(LOSS) is False
    assert len(asked) <= most
    duration = 200 * seconds
    assert len(asked) >= min(200, 0.5 * duration / stopping.EVERY), "and often enough"


def test_a_stop_is_seen_within_the_second(clock, asked):
    flag = StopFlag()
    one = agreement(flag)
    for _ in range(100):
        clock.now += 0.02
        one.after_step(LOSS)
    flag.is_set, told = True, clock.now
    while True:
        clock.now += 0.02
        if one.after_step(LOSS):
            break
    assert clock.now - told < 0.5


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_the_step_of_a_loss_that_is_not_finite(clock, asked, loss):
    one = agreement()
    for _ in range(21):  # of 10 ms: it asks each 25 steps by now
        clock.now += 0.01
        one.after_step(LOSS)
    one.after_step(torch.tensor(loss))
    one.after_step(LOSS)
    with pytest.raises(NotFinite) as caught:
        one.ask()
    assert caught.value.steps_ago == 2


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with StopFlag():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before


def test_a_signal_sets_the_flag(monkeypatch):
    with StopFlag() as flag:
        flag.training = True
        signal.raise_signal(signal.SIGINT)
        for _ in range(100):
            if flag.is_set:
                break
            stopping.time.sleep(0.01)
        assert flag.is_set
