"""The training run of the lesson on training, and what makes it quick on a CPU."""

import ctypes
import os
import sys
import tempfile
import time
from typing import NamedTuple

import torch
from torch import nn

from cnn.data import REPOSITORY, batches, cache_folder


def pick_device():
    """The accelerator of this machine (cuda, xpu, mps, ...) if there is one, else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def train_one_epoch(model, X, y, loss_fn, optimizer, batch_size=512, shuffle=True):
    """One pass over the training data; returns its mean loss and its accuracy in percent."""
    model.train()
    total_loss, n_correct = 0.0, 0
    for X_batch, y_batch in batches(X, y, batch_size, shuffle):
        with mixed_precision(X.device):
            logits = model(X_batch)  # (N, 10)
            loss = loss_fn(logits, y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(y_batch)
        n_correct += (logits.argmax(dim=1) == y_batch).sum().item()
    return total_loss / len(y), 100 * n_correct / len(y)


@torch.no_grad()
def evaluate(model, X, y, loss_fn, batch_size=1000):
    """Mean loss and accuracy in percent, with dropout off and without learning anything."""
    model.eval()
    total_loss, n_correct = 0.0, 0
    for X_batch, y_batch in batches(X, y, batch_size):
        with mixed_precision(X.device):
            logits = model(X_batch)  # (N, 10)
            loss = loss_fn(logits, y_batch)
        total_loss += loss.item() * len(y_batch)
        n_correct += (logits.argmax(dim=1) == y_batch).sum().item()
    return total_loss / len(y), 100 * n_correct / len(y)


class Epoch(NamedTuple):
    """What is measured in one epoch: mean losses, and accuracies in percent."""

    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float

    def __str__(self):
        return (
            f"training loss {self.train_loss:.3f}, {self.train_accuracy:.2f} %"
            f" | validation loss {self.val_loss:.3f}, {self.val_accuracy:.2f} %"
        )


def train_network(model, train_data, validation_data, epochs=3, lr=3e-3, batch_size=512):
    """Train with Adam; returns the history, one Epoch of measurements for each epoch."""
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        trained = train_one_epoch(model, *train_data, loss_fn, optimizer, batch_size)
        validated = evaluate(model, *validation_data, loss_fn)
        history.append(Epoch(*trained, *validated))
        print(f"epoch {epoch}/{epochs}, {time.perf_counter() - start:.0f} s: {history[-1]}")
    return history


def mixed_precision(device):
    """Autocast to bfloat16 where the device multiplies it fast; elsewhere change nothing.

    Source: https://docs.pytorch.org/docs/stable/amp.html
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_fast_bfloat16(device))


def has_fast_bfloat16(device):
    """Whether the device has matrix instructions for bfloat16."""
    if device.type == "cpu":
        capabilities = (
            torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        )
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "xpu"


def keep_freed_memory():
    """Ask glibc to keep freed memory for the next allocation instead of returning it to the system.

    A training step frees and allocates hundreds of MB. By default the system hands out each of
    those pages anew, filled with zeros, and that takes longer than many of the computations.
    The results are the same. Call it before training; elsewhere than on Linux it does nothing.

    Returns:
        Whether the setting was accepted.
    Source: man 3 mallopt (M_MMAP_MAX, M_TRIM_THRESHOLD).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def writable_folder():
    """Where trained weights go: notebooks/checkpoints, or the cache if that cannot be written.

    Everything in it must be writable too: in a folder that several people share, the weights of
    one are not for the other to overwrite.
    """
    for folder in (REPOSITORY / "notebooks" / "checkpoints", cache_folder()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            if all(os.access(path, os.W_OK) for path in folder.glob("*.pt")):
                return folder
        except OSError:
            continue
    raise OSError(
        f"No folder to write to: neither {REPOSITORY / 'notebooks'} nor {cache_folder()}. "
        "Set XDG_CACHE_HOME to a folder that you can write."
    )
