"""Processes that the benchmark starts. Whatever it started it ends, by pid, also what a peer left behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Makes this process the parent of what a peer leaves behind, so that it can be found and ended."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children(pid=None):
    """Direct children of a process (default: this one), with their names."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError):
            stat = (folder / "stat").read_text()
            name, rest = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :].split()
            if int(rest[1]) == (pid or os.getpid()):
                found[int(folder.name)] = name
    return found


class Child:
    """A server in the foreground, its output in a file."""

    def __init__(self, command, log, **options):
        self.name = Path(command[0]).name
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **options,
            )

    def ended(self):
        """Whether it ended by itself."""
        return self.process.poll() is not None

    def stop(self, patience=20):
        """Asks it to end, and after `patience` seconds makes it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return f"{self.name} did not stop within {patience} s and was killed"
        return None


def end_orphans(patience=10):
    """Ends what the peers left behind; returns what that was. To be called when all of them were stopped."""
    named = {}
    deadline = time.monotonic() + patience
    # Three rounds of patience: some only need a moment to end by themselves.
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        while True:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            left = children()
            if not left or time.monotonic() > deadline:
                break
            if number is not None:
                for pid, name in left.items():
                    named[pid] = name
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            time.sleep(0.1)
        if not left:
            break
        deadline = time.monotonic() + patience
    return [f"{name} (pid {pid})" for pid, name in sorted(named.items())]
