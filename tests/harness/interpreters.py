"""Every Python on the machine, made reachable for httpd's user."""

import functools
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .stage import Stage, reachable

OLDEST = (3, 9)
_ASK = (
    "import sys, json; sys.stdout.write(json.dumps([list(sys.version_info[:3]), sys.version, sys.prefix, "
    "sys.platform, getattr(getattr(sys, 'implementation', None), 'name', 'cpython')]))"
)
# Not needed to run an application, and most of an installation's size.
_SKIP = shutil.ignore_patterns(
    "test", "tests", "*.a", "__pycache__", "site-packages", "idlelib", "tkinter", "ensurepip", "lib2to3",
    "turtledemo", "pydoc_data",
)  # fmt: skip


@dataclass(frozen=True)
class Interpreter:
    """One CPython."""

    program: Path
    version: tuple
    banner: str
    prefix: Path

    @property
    def name(self) -> str:
        """For test names."""
        return f"{'.'.join(map(str, self.version))}-{'system' if self.prefix == Path('/usr') else 'pyenv'}"

    @property
    def supported(self) -> bool:
        """Whether it can run applications."""
        return self.version[:2] >= OLDEST


@functools.cache
def found() -> tuple[Interpreter, ...]:
    """All CPythons: the system's, /usr/local's, /opt's and pyenv's."""
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))]
    candidates = [path for root in roots for path in sorted(root.glob("versions/*/bin/python"))]
    for folder in ("/usr/bin", "/usr/local/bin", "/opt/python/bin"):
        named = sorted(Path(folder).glob("python[23]*"))
        candidates += [path for path in named if re.fullmatch(r"python[23](\.\d+)?", path.name)]
    known = {}
    for path in candidates:
        done = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            version, banner, prefix, _, kind = json.loads(done.stdout)
            if kind == "cpython":
                known.setdefault((prefix, banner), Interpreter(path, tuple(version), banner, Path(prefix)))
    return tuple(sorted(known.values(), key=lambda one: one.version))


def _with_own_libraries(interpreter: Interpreter) -> bytes:
    """The program, looking for libpython beside itself instead of where it was installed."""
    program = interpreter.program.resolve().read_bytes()
    installed = f"{interpreter.prefix}/lib\0".encode()
    return program.replace(installed, b"$ORIGIN/../lib\0".ljust(len(installed), b"\0"))


def made_reachable(stage: Stage, interpreter: Interpreter) -> Path:
    """The program itself, or that of a copy where httpd's user cannot reach it."""
    if reachable(interpreter.program):
        return interpreter.program
    copy = stage.root / "pythons" / interpreter.name
    program = copy / "bin" / interpreter.program.resolve().name
    if not program.exists():
        copy.parent.mkdir(exist_ok=True)
        shutil.copytree(interpreter.prefix / "lib", copy / "lib", symlinks=True, ignore=_SKIP)
        program.parent.mkdir()
        program.write_bytes(_with_own_libraries(interpreter))
        program.chmod(0o755)
        (program.parent / "python").symlink_to(program.name)
    assert reachable(program), f"the copy of {interpreter.prefix} does not run"
    return program
