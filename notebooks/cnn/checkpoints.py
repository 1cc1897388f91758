"""What a training run keeps in its folder: checkpoints, and a file that says that it is at work."""

import contextlib
import io
import os
import pickle
import socket
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import torch

from cnn.distributed import reason

CHECKPOINTS = ["checkpoint.pt", "checkpoint-previous.pt"]
IN_USE, BEAT, STALE = "in-use.txt", 2, 20  # file; seconds between two touches; until it is old


class RunError(RuntimeError):
    """The run can't start or go on; the message says why and what to do."""


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


def check_folder(folder):
    """Whether files can be written into the folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunError(
            f"{folder} can't be written ({error.strerror}). Name another folder with --out."
        ) from error


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


# --- one run in a folder at a time ---------------------------------------------------------------


class Claim:
    """One run at a time in a folder: a file in it, touched every BEAT seconds, says so.

    A lock of the operating system would end with its process, but some network file systems have
    none. Here a file that nobody touches for STALE seconds was left by a run that crashed. Whoever
    finds one watches it for so long; the clocks of two machines are never compared.
    """

    def __init__(self, folder, say):
        self.folder, self.path, self.say = folder, folder / IN_USE, say
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        self.owner = f"process {os.getpid()} on {socket.gethostname()}, since {started}"
        self.ended = threading.Event()

    def __enter__(self):
        while not self._create():
            self._watch()
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.release()

    def release(self):
        self.ended.set()
        if self._look()[0] == self.owner:
            self.path.unlink(missing_ok=True)

    def check(self):
        """Before something is written: nobody else has taken this run for dead.

        Raises:
            RunError: another run is at work here now.
        """
        try:
            owner = self.path.read_text()
        except FileNotFoundError:
            owner = "Somebody who has removed in-use.txt"
        except OSError:  # what is wrong with the folder shows when the file itself is written
            return
        if owner != self.owner:
            raise RunError(f"{owner}, has taken over {self.folder}. This run ends.")

    def _create(self):
        try:
            with self.path.open("x") as file:
                file.write(self.owner)
            return True
        except FileExistsError:
            return False
        except OSError as error:
            raise RunError(
                f"{self.path} can't be written ({error.strerror}). Make room, or name another "
                "folder with --out."
            ) from error

    def _look(self):
        """Who is at work here, and when the file was touched: opening asks the server anew."""
        try:
            with self.path.open() as file:
                return file.read(), os.fstat(file.fileno()).st_mtime_ns
        except OSError:
            return None, 0

    def _watch(self):
        """Return when the folder may be free; RunError if the other run is alive."""
        found = self._look()
        self.say(f"{self.path} names another run ({found[0]}). Watching whether it is alive ...")
        end = time.monotonic() + STALE
        while time.monotonic() < end:
            time.sleep(BEAT / 4)
            now = self._look()
            if now[0] is None:
                return
            if now != found:
                raise RunError(
                    f"Another run is at work in {self.folder} ({now[0]}). Wait for its end, or "
                    "name another folder with --out."
                )
        self.say("It is not. Its file is removed.")
        with contextlib.suppress(FileNotFoundError):  # another one was faster
            self.path.unlink()

    def _beat(self):
        while not self.ended.wait(BEAT):
            with contextlib.suppress(OSError):
                if self._look()[0] == self.owner:
                    os.utime(self.path)
