"""Builds the extension once and starts zygotes for the tests."""

import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from peer import ROOT, Worker, Zygote


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Path:
    """The folder that holds the package, as an installation has it."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if not os.environ.get("KRAIT_TEST_PREBUILT"):
        subprocess.run(
            ["cargo", "build", "--release", "-p", "krait-worker"],
            cwd=ROOT,
            env={**os.environ, "PYO3_BUILD_EXTENSION_MODULE": "1"},
            check=True,
        )
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "src/worker/python/krait", folder / "krait", ignore=lambda *_: ["__pycache__"])
    shutil.copy(target / "release/lib_krait.so", folder / "krait/_krait.abi3.so")
    return folder


class Starter:
    """Starts zygotes in the test's folder."""

    def __init__(self, package: Path, folder: Path) -> None:
        self.package = package
        self.folder = folder
        self.zygotes: list[Zygote] = []

    def write(self, source: str, name: str = "app.py") -> Path:
        script = self.folder / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(textwrap.dedent(source))
        return script

    def bare(self, **options) -> Zygote:
        zygote = Zygote(self.package, self.folder, **options)
        self.zygotes.append(zygote)
        return zygote

    def boot(
        self, target=None, *, kind="path", env=None, python=None, cwd=None, user=None, **fields
    ) -> Zygote:
        options = {"env": env, "cwd": cwd, "user": user, **({"python": python} if python else {})}
        zygote = self.bare(**options)
        zygote.boot(
            **{
                "name": "test",
                "kind": kind,
                "target": str(target or self.folder / "app.py"),
                "callable": None,
                "directory": str(self.folder),
                "path": [],
                "threads": 1,
                "multiprocess": False,
                "preload": True,
                **fields,
            }
        )
        return zygote

    def ready(self, target=None, **fields) -> Zygote:
        zygote = self.boot(target, **fields)
        message, _ = zygote.outcome()
        assert message == ("ready", fields.get("preload", True)), (message, zygote.errors())
        return zygote

    def worker(self, source: str, slots: int = 1, **fields) -> Worker:
        self.write(source)
        worker = self.ready(threads=slots, **fields).fork(slots)
        assert worker.message() == ("ready", None), worker.zygote.errors()
        return worker

    def slot(self, source: str, **fields):
        return self.worker(source, **fields).slots[0]

    def failure(self, target=None, **fields) -> dict:
        message, _ = self.boot(target, **fields).outcome()
        assert message is not None
        assert message[0] == "failed", message
        return message[1]


@pytest.fixture
def start(package, tmp_path):
    starter = Starter(package, tmp_path)
    yield starter
    for zygote in starter.zygotes:
        zygote.end()
