"""The way of a Python process: a zygote first, and in its children a worker."""

import os

from krait import _krait, _worker, _zygote


def main():
    # krait-spawn handed the control channel over through exec; nothing else may inherit it.
    os.set_inheritable(_krait.CONTROL_FD, False)
    role = _zygote.run()
    # Only a forked child returns here, off the zygote's stack.
    _worker.run(role)
