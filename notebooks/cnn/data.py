"""MNIST, loaded from the first place that has it, verified on every load.

Source of the data: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.
"""

import gzip
import hashlib
import os
import shutil
import socket
import tempfile
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch.utils.data import random_split
from torchvision.datasets import MNIST

REPOSITORY = Path(__file__).resolve().parents[2]
CNN_DATA, IN_REPOSITORY, CACHE = "$CNN_DATA", "the repository (data/)", "the cache"  # places
TIMEOUT = 20  # seconds to wait for a download mirror: behind some firewalls none ever answers


class DataError(RuntimeError):
    """MNIST could not be provided; the message says why and what to do."""


class RawFile(NamedTuple):
    """One of the four files: the md5 of its archive, the size and CRC-32 of its content."""

    name: str
    archive_md5: str
    size: int
    crc32: int

    @property
    def archive_name(self):
        return self.name + ".gz"


MD5 = dict(MNIST.resources)
RAW_FILES = [
    RawFile(name, MD5[name + ".gz"], size, crc32)
    for name, size, crc32 in [
        ("train-images-idx3-ubyte", 47_040_016, 0xE9F4D8B3),
        ("train-labels-idx1-ubyte", 60_008, 0xE0CB4AD2),
        ("t10k-images-idx3-ubyte", 7_840_016, 0x91373BDF),
        ("t10k-labels-idx1-ubyte", 10_008, 0x4AB9EFF9),
    ]
]


def load_mnist(train=True, transform=None, root=None):
    """The training part (60,000 images) or the test part (10,000) of MNIST; says who served it.

    Args:
        train: True for the training part, False for the test part.
        transform: applied to each PIL image, for example `torchvision.transforms.v2.ToImage()`.
        root: a folder that holds MNIST/raw/; then no other place is tried.

    Returns:
        torchvision.datasets.MNIST; `.data` is uint8 (60000, 28, 28), `.targets` is int64 (60000,).

    Raises:
        DataError: no place has MNIST, an archive is damaged, or there is no room to extract it.
    """
    root, place = find_mnist(root)
    mnist = MNIST(root, train=train, transform=transform)
    part = "training" if train else "test"
    print(f"MNIST {part} part: {len(mnist):,} images, from {place}")
    return mnist


def split_train_validation(mnist, n_validation=12_000, seed=55):
    """Split a dataset at random, but the same way every time, into two Subsets.

    Returns:
        (training part, validation part): Subsets, each a list of indices into `mnist`.
    """
    generator = torch.Generator().manual_seed(seed)
    return random_split(mnist, [len(mnist) - n_validation, n_validation], generator=generator)


def as_tensors(mnist, indices=slice(None)):
    """The images and labels at `indices` (all of them by default) as two tensors.

    Returns:
        X: float32 (N, 1, 28, 28), values in [0, 1].
        y: int64 (N,), the digits.
    """
    X = mnist.data[indices].unsqueeze(1).float() / 255
    y = mnist.targets[indices]
    return X, y


def batches(X, y, batch_size, shuffle=False):
    """Yield (X_batch, y_batch) until every sample was used once; the last batch may be smaller."""
    order = torch.randperm(len(X)) if shuffle else torch.arange(len(X))
    for indices in order.to(X.device).split(batch_size):
        yield X[indices], y[indices]


def scenes(X, y, n, seed=0, size=40, max_digits=3, n_arcs=5, noise=0.1):
    """Scenes of two or more digits over arcs, with noise, and the true class of each pixel.

    What is drawn later covers what is there: first the arcs, then the digits. Each has a grey value
    of its own, and each digit a size. A digit takes, out of three random places, the one farthest
    from the digits before it, so that overlaps are partial. A pixel belongs to a digit where the
    digit fills more than half of it. The same seed gives the same scenes.

    Args:
        X: the digits to draw from, float (M, 1, 28, 28) in [0, 1].
        y: their classes, int64 (M,).
        n: number of scenes; size: height and width of a scene in pixels.
        max_digits: a scene has 2 to max_digits digits; n_arcs: number of arcs in each.
        noise: standard deviation of the noise, before values are cut off at 0 and 1.

    Returns:
        images: float32 (n, 1, size, size), values in [0, 1].
        masks: int64 (n, size, size): 0 for background, 1 + y for the digit in front.
        layers: int64 (n, size, size): how many arcs and digits lie on the pixel.
    """
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(n, size, size)
    masks, layers = torch.zeros(2, n, size, size, dtype=torch.int64)
    for _ in range(n_arcs):
        cover = _draw_arcs(n, size, generator)
        images = torch.lerp(images, _uniform(0.3, 1, (n, 1, 1), generator), cover)
        layers += cover > 0.5
    counts = torch.randint(2, max_digits + 1, (n, 1, 1), generator=generator)
    scales = _uniform(0.65, 1, (max_digits, n, 1), generator)
    centres = _choose_centres(scales, size, generator)
    for k in range(max_digits):
        chosen = torch.randint(len(X), (n,), generator=generator)
        cover = _draw_digits(X[chosen], centres[k], scales[k], size) * (k < counts)
        images = torch.lerp(images, _uniform(0.5, 1, (n, 1, 1), generator), cover)
        masks = torch.where(cover > 0.5, 1 + y[chosen, None, None], masks)
        layers += cover > 0.5
    images += noise * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1).unsqueeze(1), masks, layers


def _uniform(low, high, shape, generator):
    return low + (high - low) * torch.rand(shape, generator=generator)


def _draw_arcs(n, size, generator):
    """How much of each pixel one arc covers, (n, size, size); large circles look like lines."""
    axis = torch.arange(size) + 0.5
    radius = _uniform(4, size, (n, 1, 1), generator)
    centre = _uniform(-0.25 * size, 1.25 * size, (2, n, 1, 1), generator)
    x, y = axis - centre[0], axis[:, None] - centre[1]
    start = _uniform(0, 2 * torch.pi, (n, 1, 1), generator)
    along = radius * torch.remainder(torch.atan2(y, x) - start, 2 * torch.pi)
    across = (torch.hypot(x, y) - radius).abs()
    half_width = _uniform(0.5, 1.5, (n, 1, 1), generator)
    length = _uniform(8, 32, (n, 1, 1), generator)
    return (half_width + 0.5 - across).clamp(0, 1) * (along < length)


def _choose_centres(scales, size, generator):
    """Centres (x, y) in pixels, (digits, n, 2); the ink, 20 of 28 pixels, stays inside."""
    centres = []
    for scale in scales:
        room = size - 20 * scale[:, None]  # (n, 1, 1)
        candidates = size / 2 + room * _uniform(-0.5, 0.5, (len(scale), 3, 2), generator)
        best = torch.zeros(len(scale), dtype=torch.int64)
        if centres:
            before = torch.stack(centres, dim=1)  # (n, digits so far, 2)
            distances = (candidates[:, :, None] - before[:, None]).norm(dim=3)
            best = distances.amin(dim=2).argmax(dim=1)
        centres.append(candidates[torch.arange(len(scale)), best])
    return torch.stack(centres)


def _draw_digits(X, centre, scale, size):
    """How much of each pixel a scaled and moved digit (n, 1, 28, 28) covers, (n, size, size)."""
    axis = (torch.arange(size) + 0.5 - centre[:, :, None]) * 2 / (28 * scale[:, :, None])
    x, y = axis.unbind(dim=1)  # (n, size) each, -1 and 1 at the borders of the digit's image
    grid = torch.stack([x[:, None].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], dim=3)
    return F.grid_sample(X, grid, align_corners=False)[:, 0]


def find_mnist(root=None):
    """Make the four extracted files available and return (root folder, name of the place).

    Places, in order: $CNN_DATA, the repository's data/, the cache, the download mirrors; or `root`
    alone. A place serves if it has each file, extracted and intact or as an archive; where it is
    read-only, they are extracted into the cache.
    """
    if root is not None:
        root = user_path(root).absolute()
        if missing := _missing(root):
            raise DataError(
                f"MNIST is not in {root}: {missing}.\nCopy the four .gz archives from the "
                "repository's data/MNIST/raw into MNIST/raw/ below it, or name another folder."
            )
        return _provide(root, str(root))
    for place_root, place in _places():
        missing = _missing(place_root)
        if not missing:
            return _provide(place_root, place)
        if place == CNN_DATA:
            print(f"{CNN_DATA} is {place_root}, but {missing}. Looking elsewhere.")
    return _download()


def cache_folder():
    """Where this user's extracted copy goes when the data folder is read-only."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "cnn-course"
    try:
        return Path.home() / ".cache" / "cnn-course"
    except RuntimeError:  # neither $HOME nor an entry in the list of users, as in some containers
        return Path(tempfile.gettempdir()) / "cnn-course"


def user_path(text):
    """The path with ~ as the user's home, where there is one."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _places():
    if os.environ.get("CNN_DATA"):
        yield user_path(os.environ["CNN_DATA"]).absolute(), CNN_DATA
    yield REPOSITORY / "data", IN_REPOSITORY
    yield cache_folder(), f"{CACHE} ({cache_folder()})"


def _missing(root):
    """What keeps a folder from serving, in words that follow its name; empty if nothing does."""
    raw = root / "MNIST" / "raw"
    for folder in (root, raw):
        if not os.access(folder, os.R_OK | os.X_OK):
            return f"{folder} is no folder that can be read"
    lacking = [file for file in RAW_FILES if not _has(raw, file)]
    names = ", ".join(file.name for file in lacking)
    return f"{raw} has no readable {names} (nor .gz of it)" if lacking else ""


def _has(raw, file):
    return os.access(raw / file.archive_name, os.R_OK) or _is_intact(raw / file.name, file)


def _is_intact(path, file):
    """Whether an extracted file is bit by bit as published."""
    try:
        return path.stat().st_size == file.size and zlib.crc32(path.read_bytes()) == file.crc32
    except OSError:
        return False


def _all_intact(raw):
    return all(_is_intact(raw / file.name, file) for file in RAW_FILES)


def _provide(root, place):
    """Extract beside the archives, or into the cache where that folder is read-only or full."""
    raw, cache = root / "MNIST" / "raw", cache_folder()
    if _all_intact(raw):
        return root, place
    for file in RAW_FILES:
        if not _is_intact(raw / file.name, file):
            _check_archive(raw / file.archive_name, file, place)
    try:
        _extract_into(raw, raw)
        return root, place
    except OSError as error:
        print(f"{raw} cannot be written ({error.strerror}): extracting into {cache}")
    try:
        _extract_into(raw, cache / "MNIST" / "raw")
        return cache, f"{place}, extracted into {cache}"
    except OSError as error:
        raise DataError(
            f"MNIST could be extracted neither into {raw} nor into the cache {cache} "
            f"({error}).\nIt needs 55 MB. Free some room there, or set XDG_CACHE_HOME to a folder "
            "that you can write, or CNN_DATA to one in which MNIST/raw/ holds the extracted files."
        ) from error


def _check_archive(path, file, place):
    """Raise DataError unless the archive holds the published file, however it was compressed."""
    try:
        archive = path.read_bytes()
        md5 = hashlib.md5(archive, usedforsecurity=False).hexdigest()
        if md5 == file.archive_md5:
            return
        with gzip.open(path) as source:
            content = source.read(file.size + 1)
        if len(content) == file.size and zlib.crc32(content) == file.crc32:
            return
        problem = f"its md5 is {md5}, expected {file.archive_md5}, and it holds another file"
    except (OSError, EOFError, zlib.error) as error:
        problem = f"it cannot be extracted ({error})"
    if place == IN_REPOSITORY:
        advice = (
            "Restore it (git checkout -- data/MNIST/raw), or delete the four archives to have "
            "them downloaded again."
        )
    elif place.startswith(CACHE):
        advice = "Delete it, and start again."
    else:
        advice = f"Copy it into this folder again, or name another folder than {place}."
    raise DataError(f"The archive {path} is damaged: {problem}.\n{advice}")


def _extract_into(archives, raw):
    """Extract what is missing or damaged in `raw`, each file under another name until complete.

    Several processes may do this at once: the rename is atomic and all write the same content.
    """
    raw.mkdir(parents=True, exist_ok=True)
    for file in RAW_FILES:
        if not _is_intact(raw / file.name, file):
            with _opened(archives, file) as source:
                _write_atomically(source, raw / file.name)


def _opened(raw, file):
    """The content of a file, from the extracted one if it is intact, else from its archive."""
    if _is_intact(raw / file.name, file):
        return (raw / file.name).open("rb")
    return gzip.open(raw / file.archive_name)


def _write_atomically(source, path):
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(source, target)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _download():
    """Download into a temporary folder through torchvision's mirrors, then move into the cache."""
    cache = cache_folder()
    print(f"MNIST is in no folder of this machine: downloading it (11 MB) into {cache}", flush=True)
    usual_timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            MNIST(temporary, download=True)
            downloaded = Path(temporary) / "MNIST" / "raw"
            if not _all_intact(downloaded):
                raise DataError("The downloaded MNIST files are damaged. Try again later.")
            (cache / "MNIST" / "raw").mkdir(parents=True, exist_ok=True)
            for file in RAW_FILES:
                (downloaded / file.name).replace(cache / "MNIST" / "raw" / file.name)
    except (OSError, RuntimeError, HTTPException) as error:
        places = "\n".join(
            f"  {root / 'MNIST' / 'raw'}  ({place}): {_missing(root)}" for root, place in _places()
        )
        raise DataError(
            f"MNIST was found in none of these places:\n{places}\n"
            f"and could not be downloaded ({error}).\n"
            "Without internet: copy the four .gz archives from the repository's data/MNIST/raw "
            "into MNIST/raw/ below a folder of yours, and set CNN_DATA to that folder."
        ) from error
    finally:
        socket.setdefaulttimeout(usual_timeout)
    return cache, f"the download mirrors, now in {cache}"
