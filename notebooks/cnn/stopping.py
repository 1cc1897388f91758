"""How a run is told to stop, and how all of its processes stop at the same step.

SIGTERM is the batch system's warning that the time is over; Ctrl-C sends SIGINT.
"""

import math
import os
import signal
import socket
import threading
import time

from cnn.distributed import WAITING, exchange, total

STOPPED = 128 + signal.SIGTERM  # what a shell reports of a process that SIGTERM ended
SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE = 10  # seconds that a process which was told to stop waits for the others
EVERY = 0.25  # seconds between two questions to all processes


class NotFinite(RuntimeError):
    """The loss is infinite or not a number, in the last of so many steps."""

    def __init__(self, steps_ago):
        super().__init__(steps_ago)
        self.steps_ago = steps_ago


class StopFlag:
    """Set by the first signal; a second Ctrl-C ends the process at once.

    Python calls its signal handlers between two steps of its own, so never while the process waits
    inside PyTorch for others. The signal's number is therefore also written to a socket, where a
    thread reads it. If nobody will look at the flag soon, this thread ends the process.
    """

    def __init__(self):
        self.is_set = False
        self.training = False  # whether the flag is looked at after each few steps
        self.at_end = []  # functions to call before the thread ends the process

    def __enter__(self):
        self.reader, self.writer = socket.socketpair()
        self.writer.setblocking(False)
        self.handlers = [signal.signal(number, lambda *_: None) for number in SIGNALS]
        self.wakeup = signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_):
        signal.set_wakeup_fd(self.wakeup)
        for number, handler in zip(SIGNALS, self.handlers):
            signal.signal(number, handler)
        self.writer.close()

    def _watch(self):
        if not self.reader.recv(1):  # closed: the run is over
            return
        self.is_set, told = True, time.monotonic()
        self.reader.settimeout(0.2)
        while True:
            if not self.training:
                self._end("Ended before the training began.")
            waits = [max(told, since) for since in WAITING[:1]]
            if waits and time.monotonic() - waits[0] > GRACE:
                self._end("The other processes do not answer. Ended without a new checkpoint.")
            try:
                signals = self.reader.recv(100)
            except TimeoutError:
                continue
            if not signals:
                return
            # The terminal and a launcher may both send one: at first that is a single wish.
            if signal.SIGINT in signals and time.monotonic() - told > 2:
                self._end("Ended without a new checkpoint.")

    def _end(self, why):
        for function in self.at_end:
            function()
        print(f"{why} Go on with --resume.", flush=True)
        os._exit(STOPPED)  # sys.exit would end this thread only


class Agreement:
    """What all processes agree on: whether to stop, and that the loss is still a number.

    The question costs a message to all of them and waits for the device. So it is asked a few times
    a second, not at each step. After how many steps follows from the time of all processes
    together, so that all of them ask after the same step.
    """

    def __init__(self, stop, world, device):
        self.stop, self.world, self.device = stop, world, device
        self.n_steps, self.losses, self.since = 1, [], time.perf_counter()

    def after_step(self, loss):
        """Whether to stop here; the same answer in all processes.

        Raises:
            NotFinite: the loss of one of the last steps is infinite or not a number.
        """
        self.losses.append(loss.detach())
        return len(self.losses) >= self.n_steps and self.ask()

    def ask(self):
        losses, now = [loss.item() for loss in self.losses], time.perf_counter()
        bad = [i for i, loss in enumerate(losses) if not math.isfinite(loss)]
        mine = [self.stop.is_set, bool(bad), now - self.since]
        told, n_bad, seconds = exchange(total, mine, self.device)
        if n_bad:
            raise NotFinite(len(losses) - bad[0] if bad else 1)
        if losses:
            seconds_per_step = seconds / self.world.size / len(losses)
            self.n_steps = min(max(1, int(EVERY / seconds_per_step)), 1000)
        self.losses, self.since = [], now
        return told > 0
