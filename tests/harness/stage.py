"""One folder per test run that holds everything the servers touch.

`dist/` and the test applications are copied there: the folder is reachable for httpd's user wherever the
checkout lies, and its unique name marks every process of this run, whatever else runs on the machine.
"""

import getpass
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
CHECKOUT = TESTS.parent
IS_ROOT = os.geteuid() == 0
APACHE = os.environ.get("KRAIT_TEST_APACHE", "/usr/sbin/apache2")


def httpd_user() -> str:
    """Whom httpd's children run as: the distribution's user under a root httpd, else whoever runs this."""
    return "www-data" if IS_ROOT else getpass.getuser()


def become(user: str) -> dict:
    """Arguments of `subprocess` that run a program as `user`; changing to another needs root."""
    if not IS_ROOT:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def reachable(program: Path) -> bool:
    """Whether httpd's user can execute a program."""
    try:
        done = subprocess.run(
            [str(program), "-c", "pass"], capture_output=True, cwd="/", check=False, **become(httpd_user())
        )
    except OSError:
        return False
    return done.returncode == 0


class Stage:
    """The folder, made at the start of the run and removed at its end."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="krait-test-"))
        self.root.chmod(0o755)
        self.dist = self.root / "dist"
        self.apps = self.root / "apps"
        # Temporary files of the servers; sticky, so that every user may write.
        self.tmp = self.root / "tmp"
        self.tmp.mkdir()
        self.tmp.chmod(0o1777)
        shutil.copytree(TESTS / "apps", self.apps, ignore=shutil.ignore_patterns("__pycache__"))
        self._count = 0

    def copy_dist(self) -> None:
        """Copies what `make build` made; ends the run where it is missing."""
        source = Path(os.environ.get("KRAIT_TEST_DIST", CHECKOUT / "dist"))
        wanted = ["mod_krait.so", "kraitd", "krait-spawn", "krait", "python/krait"]
        missing = [name for name in wanted if not (source / name).exists()]
        if missing:
            pytest.exit(f"{source} lacks {', '.join(missing)}: run `make build` first", returncode=3)
        shutil.copytree(source, self.dist, symlinks=True)
        for path in [self.dist, *self.dist.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))

    def folder(self, name: str) -> Path:
        """A new folder in the stage, readable by all."""
        self._count += 1
        path = self.root / f"{self._count:03d}-{name}"
        path.mkdir()
        path.chmod(0o755)
        return path

    def writable_folder(self, name: str) -> Path:
        """A new folder that belongs to httpd's user."""
        path = self.folder(name)
        if IS_ROOT:
            entry = pwd.getpwnam(httpd_user())
            os.chown(path, entry.pw_uid, entry.pw_gid)
        return path

    def remove(self) -> None:
        """Removes everything, unless KRAIT_TEST_KEEP is set."""
        if os.environ.get("KRAIT_TEST_KEEP"):
            print(f"kept: {self.root}", file=sys.stderr)
        else:
            shutil.rmtree(self.root, ignore_errors=True)


def framework_python() -> Path:
    """The interpreter that has the frameworks: the one that runs the tests."""
    python = Path(sys.prefix) / "bin" / "python"
    if not reachable(python):
        pytest.exit(
            f"{httpd_user()} cannot execute {python} (it is {python.resolve()}): make the virtual "
            "environment with an interpreter that every user can reach, e.g. /usr/bin/python3, in a "
            "checkout that every user can reach",
            returncode=3,
        )
    return python
