"""What a frozen network makes of images, computed once and kept.

A network whose weights do not change gives the same features for the same images. So they are
computed once, kept in a file, and every later experiment with them takes seconds.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from pickle import UnpicklingError

import torch

from cnn.data import cache_folder


@torch.no_grad()
def frozen(network, X, folder=None, batch_size=64):
    """The output of a network in evaluation for X (N, ...), from a file if it was computed before.

    Args:
        network: any module; the order of its weights, their values, and X make the name of the
            file, so changed weights or other images are never answered from an old file.
        folder: where the files are; the cache of the course by default.

    Returns:
        float32 (N, ...), without a gradient.
    """
    folder = Path(folder) if folder else cache_folder() / "frozen"
    path = folder / f"{fingerprint(network, X)}.pt"
    if path.exists():
        try:
            return torch.load(path, weights_only=True)
        except (
            RuntimeError,
            EOFError,
            OSError,
            UnpicklingError,
        ):  # cut off, for example by a full disk
            pass
    was_training = network.training
    network.eval()
    result = torch.cat([network(batch) for batch in X.split(batch_size)])
    network.train(was_training)
    _keep(result, path)
    return result


def fingerprint(network, X):
    """A name for this network with these images: equal names, equal features."""
    digest = hashlib.sha256(str(network).encode())
    for tensor in [*network.state_dict().values(), X]:
        digest.update(str((tuple(tensor.shape), tensor.dtype)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]


def _keep(result, path):
    """Write the file under another name first; where nothing can be written, go without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            torch.save(result, file)
        Path(unfinished).replace(path)
    except OSError:
        pass
