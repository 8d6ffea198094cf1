"""The way of a Python process: a zygote first, and in its children a worker."""

import faulthandler
import os
import sys

from krait import _krait, _worker, _zygote


def main():
    # krait-spawn handed the control channel over through exec; nothing else may inherit it.
    os.set_inheritable(_krait.CONTROL_FD, False)
    # A crash, and a SIGABRT from the manager, leave every thread's stack in the log.
    faulthandler.enable(file=2)
    # Standard output is a pipe, but what an application prints is wanted at once, and must not raise.
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    role = _zygote.run()
    # Only a forked child returns here, off the zygote's stack.
    _worker.run(role)
