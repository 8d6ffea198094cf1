# ruff: noqa: UP031, UP036
# Run by krait-spawn as "python -c <this text> <folder of the package>", by whatever interpreter it found.
# It must parse and run on Python 2.7 and every 3.x, so that a wrong interpreter is told of, not guessed at.
import os
import select
import sys


def _fail(summary, advice, detail):
    parts = ["!boot", summary, advice, detail]
    data = b"\0".join(part if isinstance(part, bytes) else part.encode("utf-8", "replace") for part in parts)
    # What the manager sent must not stay unread, or the kernel reports a reset in place of our message.
    if select.select([3], [], [], 2)[0]:
        os.read(3, 1 << 18)
    os.write(3, data[:60000])
    os._exit(1)


def _start():
    version = "%d.%d.%d" % sys.version_info[:3]
    name = "%s (Python %s)" % (sys.executable or "the interpreter", version)
    if sys.version_info < (3, 9):
        _fail(
            "the interpreter %s is too old: Python 3.9 or newer is needed" % name,
            "make the venv beside the application with a newer Python, or name one with KraitPython",
            "",
        )
    if sys.implementation.name != "cpython":
        _fail(
            "the interpreter %s is not CPython but %s" % (name, sys.implementation.name),
            "make the venv beside the application with CPython, or name one with KraitPython",
            "",
        )
    package = sys.argv[1]
    # "" came with -c. The package's folder is first only for this import, and then last: an application's own
    # modules always win.
    sys.path[:] = [folder for folder in sys.path if folder not in ("", package)]
    sys.path.insert(0, package)
    try:
        import krait._boot
    except BaseException as error:
        import traceback

        _fail(
            "the interpreter %s cannot load the krait package in %s: %s: %s"
            % (name, package, type(error).__name__, error),
            "install mod_krait again, or check that the package is readable and made for this machine",
            traceback.format_exc(),
        )
    sys.path.remove(package)
    sys.path.append(package)
    return krait._boot.main


_start()()
