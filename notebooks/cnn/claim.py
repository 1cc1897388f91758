"""One training run at a time in a folder."""

import contextlib
import os
import socket
import tempfile
import threading
import time

IN_USE = "in-use.txt"
BEAT, STALE = 2, 20  # seconds between two touches of the file, and until it counts as left behind


class RunError(RuntimeError):
    """The run can't start or go on; the message says why and what to do."""


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
