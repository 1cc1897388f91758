"""What a training run needs to go on, and the files that keep it."""

import io
import os
import pickle
import tempfile
import zipfile
from pathlib import Path

import torch
from torch import nn

from cnn.claim import RunError
from cnn.distributed import exchange, reason, total, wait_for_all
from cnn.models import CNN
from cnn.training import Epoch

CHECKPOINTS = ["checkpoint.pt", "checkpoint-previous.pt"]
MUST_MATCH = ["batch_size", "lr", "seed", "images", "dropout"]


class RunState:
    """All that a run needs to go on: model, optimizer, place in the epoch, history."""

    def __init__(self, options, device, say, claim=None):
        self.options, self.device, self.say, self.claim = options, device, say, claim
        torch.manual_seed(options.seed % 2**63)  # the numbers that PyTorch takes
        self.model = CNN().to(device, memory_format=torch.channels_last)
        if not options.dropout:
            for layer in self.model:
                if isinstance(layer, nn.Dropout):
                    layer.p = 0.0
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=options.lr)
        self.history = []
        self.newest_is_good = True  # what is in checkpoint.pt may be kept beside the next one
        self.begin_epoch()

    def begin_epoch(self):
        self.step = 0
        self.set_sums([0.0, 0.0, 0.0])

    def set_sums(self, values):
        """Loss, correct, images: of this process, kept on the device to wait for it less often."""
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        self.sums = torch.tensor(values, dtype=dtype, device=self.device)

    def count(self, loss, n_correct, n):
        self.step += 1
        self.sums[0] += loss.to(self.sums.dtype) * n
        self.sums[1] += n_correct
        self.sums[2] += n

    def averages(self):
        """Mean training loss and accuracy in percent of the epoch, over all processes."""
        loss_sum, n_correct, n = exchange(total, self.sums.tolist(), self.device)
        return loss_sum / n, 100 * n_correct / n

    def save(self, world):
        """Rank 0 writes; the others wait, since a launcher may end all processes if one ends."""
        sums = exchange(total, self.sums.tolist(), self.device)
        self.set_sums(sums if world.rank == 0 else [0.0, 0.0, 0.0])  # rank 0 has them now
        if world.rank == 0:
            self.write()
        wait_for_all(world)

    def content(self):
        return {
            "options": {name: getattr(self.options, name) for name in MUST_MATCH},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "sums": self.sums.tolist(),
            "history": [list(epoch) for epoch in self.history],
        }

    def write(self):
        """Write the checkpoint; the one before is kept beside it."""
        latest, previous = (self.options.out / name for name in CHECKPOINTS)
        self.claim.check()
        try:
            content = torch_bytes(self.content())
            write_whole(latest, content, previous if self.newest_is_good else None)
            self.newest_is_good = True
        except OSError as error:
            self.say(
                f"Warning: {latest} could not be written ({error.strerror}). The training goes on; "
                "the checkpoint before is kept. Make room now, and the next one will be written."
            )

    def load(self, world):
        """Go on from the newest checkpoint that can be used, or start if there is none."""
        found = newest(self.options.out, self.check, self.say)
        if found is None:
            self.say(f"No checkpoint in {self.options.out}: starting from the beginning.")
        else:
            self.take(*found, world)
        place = [len(self.history), self.step]
        if exchange(total, place, self.device) != [world.size * number for number in place]:
            raise RunError(
                f"The processes do not see the same checkpoint in {self.options.out}. "
                "The folder (--out) must be on a file system that all of them share."
            )

    def take(self, path, content, world):
        for name, value in content["options"].items():
            mine = getattr(self.options, name)
            if mine != value:
                raise RunError(
                    f"The run in {self.options.out} has {name} {value}, not {mine}. "
                    "Use the same settings to go on, or another --out."
                )
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step = content["step"]
        self.set_sums(content["sums"] if world.rank == 0 else [0.0, 0.0, 0.0])
        self.history = [Epoch(*values) for values in content["history"]]
        self.newest_is_good = path.name == CHECKPOINTS[0]
        self.say(f"Going on from epoch {len(self.history) + 1}, step {self.step}.")

    def check(self, content):
        """Raise ValueError if this is not the content of a checkpoint of this network."""
        mine = self.content()
        if isinstance(content, dict) and content.keys() == mine["model"].keys():
            raise ValueError("it holds the weights of a network, not the place in a run")
        check_keys(content, mine, "it")
        check_keys(content["options"], mine["options"], "options")
        for name, value in content["options"].items():
            check_type(value, (int, float, type(None)), f"{name} in options")
        check_type(content["history"], list, "history")
        expected = mine | {
            "options": content["options"],
            "optimizer": self.optimizer_after_a_step(),
        }
        expected["history"] = [[0.0] * len(Epoch._fields)] * len(content["history"])
        for name, value in expected.items():
            check_like(content[name], value, name)
        if content["step"] < 0:
            raise ValueError(f"its step is {content['step']}")

    def optimizer_after_a_step(self):
        """How the state of Adam is built: two moments for each parameter, and the step's number."""
        parameters = [parameter.detach() for parameter in self.model.parameters()]
        state = {
            number: {"step": torch.tensor(0.0), "exp_avg": value, "exp_avg_sq": value}
            for number, value in enumerate(parameters)
        }
        return self.optimizer.state_dict() | {"state": state}


# --- files ---------------------------------------------------------------------------------------


def torch_bytes(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def write_whole(path, content, previous=None):
    """Write a file under another name first: a stop or a full disk never leaves half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        if previous and path.exists():
            path.replace(previous)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


# --- checkpoints ---------------------------------------------------------------------------------


def newest(folder, check, say):
    """The newest checkpoint in the folder that can be used: (path, content), or None without any.

    Args:
        check: called with the content of a file; raises ValueError if it is of another kind.
    Raises:
        RunError: there are checkpoints, but none of them can be used.
    """
    found = [folder / name for name in CHECKPOINTS if (folder / name).exists()]
    for path in found:
        try:
            content = read(path)
            check(content)
            return path, content
        except ValueError as error:
            say(f"{path} can't be used: {error}. Trying the one before.")
    if found:
        raise RunError(
            f"No checkpoint in {folder} can be used. Start again in another folder (--out)."
        )
    return None


def read(path):
    """The content of a file that torch.save has written; no code in it is executed.

    Raises:
        ValueError: it is damaged, or holds something else than tensors, numbers and texts.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # compares the CRC-32 of every part
        if damaged:
            raise zipfile.BadZipFile(f"{damaged} has a wrong check sum")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError("it holds program code, which was not executed") from error
    except Exception as error:  # whatever a foreign file does to the reader of pickles
        raise ValueError(f"it is damaged ({reason(error)})") from error


def check_like(found, expected, place="it"):
    """Raise ValueError where `found` is not built like `expected`.

    Dictionaries need the same keys, lists the same length, tensors the same shape and type; numbers
    are finite.
    """
    check_type(found, (int, float) if isinstance(expected, float) else type(expected), place)
    if isinstance(expected, dict):
        check_keys(found, expected, place)
        for key, value in expected.items():
            check_like(found[key], value, f"{key} in {place}")
    elif isinstance(expected, (list, tuple)):
        if len(found) != len(expected):
            raise ValueError(f"{place} has {len(found)} entries, not {len(expected)}")
        for number, pair in enumerate(zip(found, expected)):
            check_like(*pair, f"entry {number} of {place}")
    elif isinstance(expected, torch.Tensor):
        if (found.shape, found.dtype) != (expected.shape, expected.dtype):
            raise ValueError(
                f"{place} is {tuple(found.shape)} {found.dtype}, "
                f"not {tuple(expected.shape)} {expected.dtype}"
            )
        check_finite(found.isfinite().all(), place)
    elif isinstance(expected, float):
        check_finite(abs(found) < float("inf"), place)


def check_type(found, kind, place):
    if not isinstance(found, kind):
        raise ValueError(f"{place} is of another type: {type(found).__name__}")


def check_keys(found, expected, place):
    check_type(found, dict, place)
    missing = [str(key) for key in expected if key not in found]
    more = [str(key) for key in found if key not in expected]
    if missing or more:
        lacks = f" lacks {', '.join(missing[:3])}" if missing else ""
        has = f" has {', '.join(more[:3])}, which is not part of a checkpoint" if more else ""
        raise ValueError(f"{place}{lacks}{' and' if lacks and has else ''}{has}")


def check_finite(finite, place):
    if not finite:
        raise ValueError(f"{place} holds a number that is not finite")
