"""Loading an application, and how a start that fails is told."""

import os
import subprocess
from pathlib import Path

import pytest
from peer import PYTHON

# As deep as what tests put before it.
HELLO = """
        import sys
        def application(environ, start_response):
            start_response("200 OK", [])
            return [repr(sys.version_info[:2]).encode()]
"""

ROOTS = [
    Path(root) for root in os.environ.get("KRAIT_PYTHONS", str(Path.home() / ".pyenv/versions")).split(":")
]
PYTHONS = sorted({str(path) for root in ROOTS for path in root.glob("*/bin/python")})
PYTHONS += [path for path in ("/usr/bin/python3",) if Path(path).exists()]


def version(python: str) -> tuple:
    command = [python, "-c", "import sys; print('%d %d' % sys.version_info[:2])"]
    return tuple(map(int, subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()))


@pytest.mark.parametrize("python", PYTHONS)
def test_every_interpreter(start, python):
    start.write(HELLO)
    if version(python) >= (3, 9):
        worker = start.ready(python=python).fork()
        assert worker.message() == ("ready", None)
        assert worker.slots[0].get().body.decode() == repr(version(python))
        assert worker.stop() == 0
        return
    zygote = start.boot(python=python)
    kind, failure = zygote.message()
    assert (kind, failure["step"]) == ("failed", "boot")
    assert "is too old: Python 3.9 or newer is needed" in failure["summary"]
    assert "Python %d.%d" % version(python) in failure["summary"]  # noqa: UP031
    assert os.path.dirname(python) in failure["summary"]
    assert failure["advice"]
    assert zygote.message() is None
    assert zygote.process.wait(20) == 1
    assert zygote.errors() == ""


def test_a_package_that_does_not_load(start, tmp_path):
    broken = tmp_path / "broken" / "krait"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("from krait import _krait\n")
    (broken / "_krait.abi3.so").write_bytes(b"not an object file")
    start.package = broken.parent
    zygote = start.bare()
    kind, failure = zygote.message()
    assert (kind, failure["step"]) == ("failed", "boot")
    assert str(broken.parent) in failure["summary"]
    assert "Traceback" in failure["detail"]
    assert zygote.process.wait(20) == 1


LOOK = """
    import sys
    def application(environ, start_response):
        start_response("200 OK", [])
        return [repr((sys.path, sys.argv, __name__, __file__, __name__ in sys.modules)).encode()]
"""


def look(start, *args, **fields):
    import ast

    worker = start.ready(*args, **fields).fork()
    assert worker.message() == ("ready", None), worker.zygote.errors()
    return ast.literal_eval(worker.slots[0].get().body.decode())


def test_paths_and_names_of_a_script(start):
    script = start.write(LOOK, "site/app.py")
    other = start.folder / "other"
    path, argv, name, file, known = look(start, script, path=[str(other)], env={"PYTHONPATH": "/from/env"})
    assert path[:3] == [str(script.parent), str(start.folder), str(other)]
    assert "/from/env" in path
    assert path[-1] == str(start.package)
    assert "" not in path
    assert (argv, name, file, known) == ([str(script)], "app", str(script), True)


def test_paths_of_a_module(start):
    start.write("", "pack/__init__.py")
    script = start.write(LOOK, "pack/inner.py")
    path, argv, name, file, known = look(start, "pack.inner", kind="module")
    assert path[0] == str(start.folder)
    assert (argv, name, file, known) == (["krait"], "pack.inner", str(script), True)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("app.wsgi", "app"),
        ("my-app.wsgi", "krait_my_app"),
        ("json.wsgi", "krait_json"),
        ("site.wsgi", "krait_site"),
        ("bäume.py", "bäume"),
    ],
)
def test_module_names(start, file, name):
    script = start.write(LOOK, file)
    assert look(start, script)[2] == name
    assert not (start.folder / "__pycache__").exists()


def test_other_modules_import_the_script_under_its_name(start):
    start.write(
        """
        database = object()
        import other
        def application(environ, start_response):
            start_response("200 OK", [])
            return [str(other.database is database).encode()]
        """
    )
    start.write("from app import database", "other.py")
    worker = start.ready().fork()
    worker.message()
    assert worker.slots[0].get().body == b"True"


def test_an_applications_own_krait_module_does_no_harm(start):
    start.write("raise RuntimeError('the wrong one')", "krait.py")
    start.write(HELLO)
    assert start.ready(preload=False).fork().message() == ("ready", None)


@pytest.mark.parametrize("name", ["app.wsgi", "wsgi.py", "passenger_wsgi.py", "app.py"])
def test_folders(start, name):
    start.write("raise RuntimeError('not me')", "other.py")
    script = start.write(LOOK, f"site/{name}")
    if name != "app.py":
        start.write("raise RuntimeError('too late in the list')", "site/app.py")
    path, argv, _, file, _ = look(start, script.parent)
    assert (path[0], argv, file) == (str(script.parent), [str(script)], str(script))


def test_callables(start):
    start.write(
        """
        class Holder:
            @staticmethod
            def inner(environ, start_response):
                start_response("200 OK", [])
                return [b"inner"]
        holder = Holder()
        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"app"]
        """
    )
    for name, body in ((None, b"app"), ("holder.inner", b"inner"), ("Holder.inner", b"inner")):
        worker = start.ready(callable=name).fork()
        worker.message()
        assert worker.slots[0].get().body == body


def check(failure, *texts, advice="", detail=None):
    assert failure["step"] == "import"
    assert "\n" not in failure["summary"]
    for text in texts:
        assert str(text) in failure["summary"], failure
    assert advice in failure["advice"], failure
    assert "krait/_loader.py" not in failure["detail"], failure
    assert "importlib" not in failure["detail"], failure
    if detail is not None:
        assert detail in failure["detail"], failure


@pytest.mark.parametrize("preload", [True, False])
def test_failures(start, preload):
    script = start.folder / "app.py"

    def failure(source=None, target=None, **fields):
        if source is not None:
            start.write(source)
        if preload:
            return start.failure(target, **fields)
        worker = start.ready(target, preload=False, **fields).fork()
        kind, failure = worker.message()
        assert kind == "failed"
        assert worker.message() is None
        assert worker.status() == 1 << 8
        return failure

    check(failure(), script, "does not exist", advice="KraitApp")
    check(failure(target=start.folder), start.folder, "no application", "passenger_wsgi.py")
    check(failure("a = (\n"), script, "cannot be imported", "line 1", detail="SyntaxError")
    check(failure("x = 1\n\0"), script, "cannot be imported")
    check(failure("# \xff\n".encode("latin-1").decode("latin-1") + "1/0"), "ZeroDivisionError", "line 2")
    check(failure("import nowhere.inside"), "it needs the module nowhere", "line 1", advice=PYTHON)
    check(failure("def f():\n    raise KeyError('x')\nf()"), "KeyError", "line 2", detail="in f")
    check(failure("import sys\nsys.exit(3)"), "called sys.exit(3)", "line 2", advice="__main__")
    check(failure("raise KeyboardInterrupt"), "KeyboardInterrupt")
    check(failure("raise ValueError('first\\nsecond')"), "ValueError: first", detail="second")
    check(failure("raise ValueError"), "raised ValueError")
    check(failure("raise ValueError('\\udcff')"), "ValueError: \\udcff")
    check(
        failure("def serve(e, s): pass\nfrom os.path import join\nclass C: pass"),
        "neither application nor app",
        "callables in it: serve",
    )
    check(failure("x = 1"), "neither application nor app", "no callable in it")
    check(
        failure("def serve(e, s): pass", callable="wrong"), script, "has no wrong", "callables in it: serve"
    )
    check(failure("class serve: pass", callable="serve.inner"), "serve in", "has no inner")
    check(failure("application = 5"), "application in", "is not callable", "int")
    check(failure("async def app(s, r, x): pass"), "ASGI", advice="a2wsgi")
    check(failure("class A:\n    async def __call__(self, s, r, x): pass\napp = A()"), "ASGI")

    module = {"kind": "module"}
    check(failure(target="nowhere", **module), "there is no module nowhere", detail=str(start.folder))
    check(
        failure(target="nowhere.inner", **module), "there is no module nowhere.inner: nowhere was not found"
    )
    start.write("import missing", "needy.py")
    check(
        failure(target="needy", **module),
        "module needy cannot be imported",
        "it needs the module missing",
        "needy.py, line 1",
    )
    start.write("1/0", "zero.py")
    check(failure(target="zero", **module), "module zero", "ZeroDivisionError", "zero.py, line 1")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_unreadable_file(start, tmp_path):
    script = start.write(HELLO)
    script.chmod(0o600)
    # Root reads everything, so the process must be another user's, and the way to the package open to it.
    for folder in [start.package, *start.package.parents, tmp_path, *tmp_path.parents]:
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    zygote = start.boot(user=65534, python="/usr/bin/python3")
    message, _ = zygote.outcome()
    check(message[1], script, "cannot be read by uid 65534: permission denied", advice="readable")


def test_os_exit_at_import_is_the_end_of_the_channel(start):
    start.write("import os; os._exit(7)")
    zygote = start.boot()
    assert zygote.outcome() == (None, ["boot", "import"])
    assert zygote.process.wait(20) == 7


def test_steps(start):
    start.write(HELLO)
    assert start.boot().outcome() == (("ready", True), ["boot", "import"])
    assert start.boot(preload=False).outcome() == (("ready", False), ["boot"])


def test_threads_left_by_the_import(start):
    start.write(
        """
        import threading
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        """
        + HELLO
    )
    zygote = start.boot()
    assert zygote.outcome()[0] == ("threaded", 2)
    assert zygote.process.wait(20) == 0
    assert start.ready(preload=False).fork().message() == ("ready", None)


def test_title(start):
    start.write(HELLO)
    zygote = start.ready(name="a-long-name-of-an-app")
    assert Path(f"/proc/{zygote.process.pid}/comm").read_text() == "krait:a-long-na\n"
    title = Path(f"/proc/{zygote.process.pid}/cmdline").read_text()
    assert title == "krait: zygote of a-long-name-of-an-app\0"
